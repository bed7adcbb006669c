#include "relay/lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::relay {

void Lane::push(Instant now, std::string bytes, const Conditions& conditions, Random& random) {
  Piece& piece = pieces_.emplace_back();
  piece.unsent = bytes.size();
  piece.bytes = std::move(bytes);
  if (conditions.loss > 0 && random.below(100'000) < conditions.loss) {
    piece.late = conditions.loss_delay;
  }
  bytes_ += piece.bytes.size();
  send(now, piece, conditions);
}

void Lane::send(Instant now, Piece& piece, const Conditions& conditions) {
  piece.begins = std::max(now, sent_until_);
  piece.sent = piece.begins;
  if (conditions.rate > 0) {
    const uint64_t nanos = piece.unsent * 1'000'000'000 / conditions.rate;
    piece.sent = piece.sent + Duration{static_cast<int64_t>(nanos)};
  }
  sent_until_ = piece.sent;
  piece.arrives = std::max(piece.sent + conditions.delay + piece.late, last_arrival_);
  last_arrival_ = piece.arrives;
}

void Lane::change(Instant now, const Conditions& conditions) {
  sent_until_ = last_arrival_ = now;  // what is not here any more has arrived
  for (Piece& piece : pieces_) {
    if (piece.sent <= now) {
      last_arrival_ = std::max(last_arrival_, piece.arrives);
      continue;
    }
    if (piece.begins < now) {
      const auto left = static_cast<uint64_t>((piece.sent - now).nanos);
      piece.unsent = piece.unsent * left / static_cast<uint64_t>((piece.sent - piece.begins).nanos);
    }
    send(now, piece, conditions);
  }
}

bool Lane::full(const Conditions& conditions) const {
  if (conditions.rate == 0 && !conditions.silent) {
    // As fast as it goes: what a fast line holds in the time of its delay.
    constexpr uint64_t kFastRate = 1'250'000'000;
    const uint64_t held =
        kFastRate / 1'000 * static_cast<uint64_t>(conditions.delay.nanos) / 1'000'000;
    return bytes_ >= kBufferBytes + held;
  }
  const uint64_t held =
      conditions.rate / 1'000 * static_cast<uint64_t>(conditions.delay.nanos) / 1'000'000;
  return bytes_ >= kBufferBytes + held;
}

Instant Lane::next_arrival(const Conditions& conditions) const {
  if (pieces_.empty() || conditions.silent) return Instant::never();
  return pieces_.front().arrives;
}

std::string Lane::pop() {
  CHECK(!pieces_.empty());
  std::string bytes = std::move(pieces_.front().bytes);
  pieces_.pop_front();
  bytes_ -= bytes.size();
  return bytes;
}

}  // namespace magpie::relay
