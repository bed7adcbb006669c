#include "sim/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::sim {
namespace {

// Longer than anything a node may take without faults, a rebalance included.
constexpr Duration kAnswerTimeout = Duration::seconds(30);

uint32_t size_prefix(std::string_view bytes) {
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(bytes[i]);
  return size;
}

}  // namespace

bool Session::open() {
  if (connection_) return true;
  connection_ = network_.connect(*this, peer_.from, peer_.address);
  ++life_;
  inbox_.clear();
  return connection_.has_value();
}

void Session::send(BufferChain frame, Pending pending) {
  if (!open()) {
    return lose(std::move(pending));
  }
  const int32_t id = pending.correlation_id;
  pending_.push_back(std::move(pending));
  network_.send(*connection_, frame);
  const Duration patience = scene_.healed ? kAnswerTimeout : peer_.patience;
  scene_.queue.after(
      patience, [this, life = life_, id, healed = scene_.healed] { give_up_on(life, id, healed); });
}

void Session::give_up_on(uint64_t life, int32_t correlation_id, bool healed) {
  if (life != life_ || !connection_) return;
  const auto waits = [&](const Pending& p) { return p.correlation_id == correlation_id; };
  const auto found = std::find_if(pending_.begin(), pending_.end(), waits);
  if (found == pending_.end()) return;
  scene_.note("timeout", static_cast<int>(found->api));
  scene_.probe("answer_timeout");
  if (healed) {
    scene_.violate("liveness", fmt::format("no answer to {} of {} in {} s without faults",
                                           wire::to_string(found->api), client_id_,
                                           kAnswerTimeout.to_milliseconds() / 1'000));
  }
  disconnect();
}

void Session::disconnect() {
  if (connection_) network_.close(*connection_);
  lose_all();
}

void Session::on_closed() {
  lose_all();
}

void Session::lose_all() {
  connection_.reset();
  ++life_;
  for (Pending& lost : std::exchange(pending_, {})) lose(std::move(lost));
}

void Session::lose(Pending pending) {
  ++losing_;
  scene_.queue.after(Duration::milliseconds(1), [this, take = std::move(pending.take)] {
    --losing_;
    take(nullptr);
  });
}

void Session::on_bytes(std::string_view bytes) {
  inbox_ += bytes;
  const uint64_t life = life_;
  while (life == life_ && inbox_.size() >= 4) {
    const uint32_t size = size_prefix(inbox_);
    if (inbox_.size() < 4 + size_t{size}) return;
    const std::string frame = inbox_.substr(4, size);
    inbox_.erase(0, 4 + size_t{size});
    take_frame(frame);
  }
}

void Session::take_frame(std::string_view frame) {
  ByteReader in(Buffer::copy_of(frame));
  const int32_t correlation_id = in.read_int32();
  if (pending_.empty() || pending_.front().correlation_id != correlation_id) {
    return scene_.violate(
        "protocol", fmt::format("{} got an answer to request {}, which is not next", client_id_,
                                correlation_id));
  }
  const Pending answered = std::move(pending_.front());
  pending_.pop_front();
  if (answered.header_version >= 1) {
    const uint32_t tags = in.read_unsigned_varint();
    if (tags != 0) scene_.violate("protocol", "unexpected tags in a response header");
  }
  scene_.note("answer", static_cast<int>(answered.api), correlation_id, frame.size());
  answered.take(&in);
}

int draw_version(Random& random, wire::ApiKey api, int lowest, int highest) {
  const wire::VersionRange served = wire::api_info(api).served;
  const int low = std::max<int>(lowest, served.low);
  const int high = std::min<int>(highest, served.high);
  CHECK(low <= high);
  return random.chance(1, 2) ? high : static_cast<int>(random.between(low, high));
}

}  // namespace magpie::sim
