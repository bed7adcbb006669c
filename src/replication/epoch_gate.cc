#include "replication/epoch_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"

namespace magpie::replication {
namespace {

constexpr int kFormat = 1;

}  // namespace

EpochGate::EpochGate(port::FileRef file, uint32_t owner) : file_(std::move(file)), owner_(owner) {}

Status EpochGate::restore(Instant now, std::string_view content) {
  started_ = now;
  if (content.empty()) return {};
  const auto json = nlohmann::json::parse(content, nullptr, false);
  const auto corrupt = [&] {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} is malformed; this site must not vote with it", file_->path));
  };
  if (!json.is_object() || !json.contains("format") || !json["format"].is_number_integer()) {
    return corrupt();
  }
  if (json["format"].get<int64_t>() != kFormat) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("{} has format {}, this build reads {}; start the version that wrote it",
                    file_->path, json["format"].get<int64_t>(), kFormat));
  }
  if (!json.contains("accepted") || !json["accepted"].is_object()) return corrupt();
  std::map<std::string, LeaderEpoch> accepted;
  for (const auto& [group, epoch] : json["accepted"].items()) {
    if (!epoch.is_number_integer()) return corrupt();
    accepted[group] = LeaderEpoch{epoch.get<int32_t>()};
  }
  accepted_ = std::move(accepted);
  return {};
}

LeaderEpoch EpochGate::accepted(const std::string& group) const {
  const auto found = accepted_.find(group);
  return found == accepted_.end() ? kNoLeaderEpoch : found->second;
}

PromiseAnswer EpochGate::promise(Instant now, const std::string& group, LeaderEpoch epoch,
                                 Duration duration) {
  LeaderEpoch highest = accepted(group);
  // What is on its way to the disk was not answered yet, but will be.
  for (const Waiting& waiting : waiting_) {
    if (waiting.group == group) highest = std::max(highest, waiting.epoch);
  }
  const auto known = promises_.find(group);
  const bool to_older =
      known != promises_.end() && known->second.epoch > epoch && known->second.until > now;
  if (epoch < highest || to_older) return {false, {}, highest};
  const Duration granted = std::min(duration, kPromiseMax);
  Promise& promise = promises_[group];
  promise.until = std::max(promise.until, now + granted);
  promise.epoch = epoch;
  return {true, granted, epoch};
}

void EpochGate::accept(Instant now, const std::string& group, LeaderEpoch epoch, Answer answer,
                       port::Effects& effects) {
  AcceptAnswer no;
  no.epoch = accepted(group);
  // What was accepted stays so, also for whoever asks again after a restart.
  if (epoch == no.epoch) {
    no.accepted = true;
    return answer(no, effects);
  }
  const auto known = promises_.find(group);
  Instant free_at = started_ + kPromiseMax;
  if (known != promises_.end() && known->second.epoch < epoch) {
    free_at = std::max(free_at, known->second.until);
  }
  if (free_at > now) {
    no.wait = free_at - now;
    return answer(no, effects);
  }
  if (epoch < no.epoch) return answer(no, effects);
  waiting_.push_back({group, epoch, std::move(answer)});
  if (writing_ == 0) write(effects);
}

std::string EpochGate::encode(const std::map<std::string, LeaderEpoch>& accepted) const {
  nlohmann::json json;
  json["format"] = kFormat;
  json["accepted"] = nlohmann::json::object();
  for (const auto& [group, epoch] : accepted) json["accepted"][group] = epoch.value;
  return json.dump() + "\n";
}

void EpochGate::write(port::Effects& effects) {
  std::map<std::string, LeaderEpoch> wanted = accepted_;
  for (const Waiting& waiting : waiting_) {
    wanted[waiting.group] = std::max(wanted[waiting.group], waiting.epoch);
  }
  writing_ = waiting_.size();
  effects.add(port::ReplaceFile{file_, {Buffer::copy_of(encode(wanted))}, {owner_, 0, 0}});
}

void EpochGate::step(const port::DiskDone& done, port::Effects& effects) {
  CHECK(writing_ > 0 && writing_ <= waiting_.size());
  std::deque<Waiting> decided;
  for (; writing_ > 0; --writing_) {
    decided.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (const Waiting& each : decided) {
    if (!done.status) continue;
    LeaderEpoch& highest = accepted_[each.group];
    highest = std::max(highest, each.epoch);
  }
  for (const Waiting& each : decided) {
    AcceptAnswer answer;
    answer.status = done.status;
    answer.epoch = accepted(each.group);
    answer.accepted = done.status && answer.epoch == each.epoch;
    each.answer(answer, effects);
  }
  if (!waiting_.empty() && writing_ == 0) write(effects);
}

}  // namespace magpie::replication
