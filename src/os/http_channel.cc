#include "os/http_channel.h"

#include "os/http_channel_on.h"

namespace magpie::os {
namespace {

class PlainChannel final : public HttpChannelOn<tcp::socket> {
 public:
  using HttpChannelOn::HttpChannelOn;

  void open(std::function<void(Status)> done) override { done({}); }
};

}  // namespace

std::shared_ptr<HttpChannel> make_plain_channel(tcp::socket socket) {
  return std::make_shared<PlainChannel>(std::move(socket));
}

}  // namespace magpie::os
