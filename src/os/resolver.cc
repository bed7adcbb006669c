#include "os/resolver.h"

#include <errno.h>
#include <fmt/format.h>
#include <netdb.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"

namespace magpie::os {
namespace {

struct Answer {
  uint64_t number;
  Result<Resolver::Endpoints> endpoints;
  bool from_thread = true;
};

tcp::endpoint to_endpoint(const sockaddr* address, socklen_t size, uint16_t port) {
  tcp::endpoint endpoint;
  CHECK(size <= endpoint.capacity());
  std::memcpy(endpoint.data(), address, size);
  endpoint.port(port);
  return endpoint;
}

Result<Resolver::Endpoints> ask_system(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    const char* why = code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code);
    return fail(ErrorKind::kUnavailable,
                fmt::format("cannot find the address of '{}': {}", host, why));
  }
  Resolver::Endpoints endpoints;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    endpoints.push_back(to_endpoint(entry->ai_addr, entry->ai_addrlen, port));
  }
  ::freeaddrinfo(list);
  CHECK(!endpoints.empty());
  return endpoints;
}

}  // namespace

// What the threads hold too, so that they may end after the resolver.
struct Resolver::Shared {
  Shared() : descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(descriptor >= 0); }
  ~Shared() { ::close(descriptor); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void put(Answer answer) {
    {
      const std::lock_guard lock(mutex);
      answers.push_back(std::move(answer));
    }
    (void)::eventfd_write(descriptor, 1);
  }

  const int descriptor;
  Resolver* owner = nullptr;  // null when it has ended; only the loop's thread looks
  std::mutex mutex;
  std::vector<Answer> answers;
};

Resolver::Resolver(EventLoop& loop) : shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
  loop.watch(shared_->descriptor, [shared = shared_] {
    if (shared->owner != nullptr) shared->owner->collect();
  });
}

Resolver::~Resolver() {
  shared_->owner = nullptr;
}

uint64_t Resolver::resolve(const std::string& host, uint16_t port, OnDone done) {
  const uint64_t number = ++last_number_;
  waiting_.emplace(number, std::move(done));
  ErrorCode not_numbers;
  const asio::ip::address address = asio::ip::make_address(host, not_numbers);
  if (!not_numbers) {
    shared_->put({number, Endpoints{{address, port}}, false});
  } else if (running_ < kThreads) {
    start({number, host, port});
  } else {
    queue_.push_back({number, host, port});
  }
  return number;
}

void Resolver::cancel(uint64_t question) {
  waiting_.erase(question);
}

void Resolver::start(Question question) {
  ++running_;
  const uint64_t number = question.number;
  try {
    std::thread([shared = shared_, question = std::move(question)] {
      shared->put({question.number, ask_system(question.host, question.port)});
    }).detach();
  } catch (const std::system_error& error) {
    shared_->put({number, fail(ErrorKind::kUnavailable,
                               fmt::format("cannot ask for an address: {}", error.what()))});
  }
}

void Resolver::collect() {
  eventfd_t ignored = 0;
  (void)::eventfd_read(shared_->descriptor, &ignored);
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(shared_->mutex);
    answers.swap(shared_->answers);
  }
  for (Answer& answer : answers) {
    if (answer.from_thread) --running_;
    while (running_ < kThreads && !queue_.empty()) {
      Question next = std::move(queue_.front());
      queue_.pop_front();
      if (waiting_.contains(next.number)) start(std::move(next));
    }
    const auto found = waiting_.find(answer.number);
    if (found == waiting_.end()) continue;
    const OnDone done = std::move(found->second);
    waiting_.erase(found);
    done(std::move(answer.endpoints));
  }
}

}  // namespace magpie::os
