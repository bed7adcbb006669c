#include "node/testing/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "node/testing/answer_comparison.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::node::testing {
namespace {

// An answer may wait for a rebalance or for records; nothing waits longer.
constexpr Duration kLongestWait = Duration::seconds(90);

// The fields of an answer that stands alone or behind `frame`'s header.
std::optional<std::vector<Field>> read_answer(const Buffer& frame, int16_t api_key, int version) {
  ByteReader in(frame);
  in.skip(4);  // the correlation id
  const auto api = static_cast<wire::ApiKey>(api_key);
  if (wire::response_header_version(api, version) >= 1 && in.read_unsigned_varint() != 0) {
    return std::nullopt;
  }
  const wire::MessageEntry* message = find_message(api_key, false);
  return message == nullptr ? std::nullopt : read_fields(*message, in, version);
}

int32_t correlation_id_of(const Buffer& frame, size_t position) {
  ByteReader in(frame);
  in.skip(position);
  return in.read_int32();
}

std::string unquoted(const std::string& text) {
  return text.size() < 2 ? text : text.substr(1, text.size() - 2);
}

// For each frame the position of its counterpart: answers come in the order of the requests, and
// only a Produce request with acks=0 has none.
std::map<size_t, size_t> pair_up(const std::vector<RecordedFrame>& frames) {
  std::map<size_t, size_t> pairs;
  std::map<std::string, std::deque<size_t>> unanswered;
  for (size_t i = 0; i < frames.size(); ++i) {
    std::deque<size_t>& waiting = unanswered[frames[i].connection];
    if (frames[i].is_request) {
      waiting.push_back(i);
      continue;
    }
    const auto belongs = [&](size_t request) {
      return frames[request].api_key == frames[i].api_key &&
             frames[request].version == frames[i].version;
    };
    while (!waiting.empty() && !belongs(waiting.front())) waiting.pop_front();
    if (waiting.empty()) continue;
    pairs[waiting.front()] = i;
    pairs[i] = waiting.front();
    waiting.pop_front();
  }
  return pairs;
}

}  // namespace

ReplayResult Replay::run(const std::vector<RecordedFrame>& frames) {
  const std::map<size_t, size_t> pairs = pair_up(frames);
  std::map<size_t, Fate> fates;
  for (size_t i = 0; i < frames.size(); ++i) {
    const auto other = pairs.find(i);
    const RecordedFrame* counterpart = other == pairs.end() ? nullptr : &frames[other->second];
    if (frames[i].is_request) {
      fates[i] = request(frames[i], counterpart);
    } else if (counterpart == nullptr) {
      complain(frames[i], "nobody asked for this answer");
    } else if (fates.at(other->second) == Fate::kSent) {
      answer(frames[i], *counterpart);
    }
  }
  return std::move(result_);
}

Replay::Fate Replay::request(const RecordedFrame& frame, const RecordedFrame* answer) {
  ++result_.requests;
  const auto [place, fresh] = connections_.try_emplace(frame.connection);
  if (fresh || !harness_.connection(place->second).open) place->second = harness_.connect();
  ByteReader in(*frame.bytes);
  wire::RequestHeader header;
  if (wire::read_request_header(in, header) != wire::HeaderOutcome::kServe) {
    refused(frame);
    return Fate::kRefused;
  }
  if (answer != nullptr && answer->bytes) {
    const auto recorded = read_answer(*answer->bytes, frame.api_key, frame.version);
    if (recorded && says_not_ready(*recorded)) {
      ++result_.not_ready;
      return Fate::kLeftOut;
    }
  }
  learn_from_request(frame, in);
  const Buffer start = frame.bytes->slice(0, in.position());
  const auto body = translation_.apply(*find_message(frame.api_key, true), in, frame.version);
  if (!body) {
    complain(frame, "the recorded request does not decode");
    return Fate::kLeftOut;
  }
  harness_.send(place->second, flatten({start, *body}));
  return Fate::kSent;
}

void Replay::refused(const RecordedFrame& frame) {
  ++result_.not_offered;
  const port::ConnectionId connection = connections_.at(frame.connection);
  harness_.send(connection, *frame.bytes);
  if (!harness_.connection(connection).open) return;
  const auto received = wait_for_answer(connection);
  const auto ours = received ? read_answer(*received, frame.api_key, frame.version) : std::nullopt;
  const bool is_refusal = ours && std::any_of(ours->begin(), ours->end(), [](const Field& field) {
                            return field.value == "UNSUPPORTED_VERSION";
                          });
  if (!is_refusal) complain(frame, "a version that is not offered was taken");
}

std::optional<Buffer> Replay::wait_for_answer(port::ConnectionId connection) {
  std::string& received = harness_.connection(connection).received;
  const Instant deadline = harness_.now().instant + kLongestWait;
  while (received.empty() && harness_.advance_to_next(deadline - harness_.now().instant)) {
  }
  ByteReader in(Buffer::copy_of(received));
  const auto size = static_cast<size_t>(in.read_int32());
  const Buffer frame = in.read_buffer(size);
  if (!in.ok()) return std::nullopt;
  received.erase(0, 4 + size);
  return frame;
}

void Replay::answer(const RecordedFrame& frame, const RecordedFrame& request) {
  const auto received = wait_for_answer(connections_.at(frame.connection));
  if (!received) return complain(frame, "no answer came");
  const auto ours = read_answer(*received, frame.api_key, frame.version);
  if (!ours || correlation_id_of(*received, 0) != correlation_id_of(*request.bytes, 4)) {
    return complain(frame, "our answer is not well formed");
  }
  ++result_.answers;
  if (!frame.bytes) {
    for (const Field& field : *ours) {
      if (field.path == "member_id") untold_[frame.connection] = unquoted(field.value);
    }
    return;
  }
  const auto recorded = read_answer(*frame.bytes, frame.api_key, frame.version);
  if (!recorded) return complain(frame, "the recorded answer does not decode");
  ++result_.compared;
  learn(*recorded, *ours);
  const std::string text = differences(frame.api_key, *recorded, *ours);
  if (!text.empty()) complain(frame, "the answers differ" + text);
}

void Replay::learn(const std::vector<Field>& recorded, const std::vector<Field>& ours) {
  for (size_t i = 0; i < std::min(recorded.size(), ours.size()); ++i) {
    if (recorded[i].path != ours[i].path || !is_given_out(ours[i].name())) continue;
    translation_.learn(unquoted(recorded[i].value), unquoted(ours[i].value));
  }
}

void Replay::learn_from_request(const RecordedFrame& frame, ByteReader in) {
  const auto untold = untold_.find(frame.connection);
  if (untold == untold_.end()) return;
  const auto fields = read_fields(*find_message(frame.api_key, true), in, frame.version);
  if (!fields) return;
  for (const Field& field : *fields) {
    if (field.path != "member_id" || field.value == "\"\"") continue;
    translation_.learn(unquoted(field.value), untold->second);
    untold_.erase(untold);
    return;
  }
}

void Replay::complain(const RecordedFrame& frame, const std::string& what) {
  const wire::ApiInfo* api = wire::find_api(frame.api_key);
  result_.differences.push_back(
      fmt::format("line {}, {} version {} on {}: {}", frame.line,
                  api == nullptr ? fmt::format("API {}", frame.api_key) : api->name, frame.version,
                  frame.connection, what));
}

}  // namespace magpie::node::testing
