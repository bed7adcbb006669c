#include "control/directory_age.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/value_json.h"

namespace magpie::control {

std::string encode_age_file(int64_t age) {
  const std::string number = std::to_string(age);
  return fmt::format("{} {:08x}\n", number,
                     crc32c(std::as_bytes(std::span(number.data(), number.size()))));
}

Result<int64_t> decode_age_file(std::string_view path, std::string_view text) {
  int64_t age = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), age);
  if (parsed.ec == std::errc() && age > 0 && text == encode_age_file(age)) return age;
  return fail(ErrorKind::kCorrupt,
              fmt::format("{}: this is not the age of a data directory and its checksum. Without "
                          "it nobody can say whether the directory was put back to an earlier "
                          "state. Move the directory away and start the node with an empty one",
                          path));
}

std::string directory_age_key(NodeId node, const Uuid& directory) {
  return fmt::format("{}{}/{}", kDirectoryAgePrefix, node.value, to_string(directory));
}

std::string encode_known_age(int64_t age) {
  return dump_value({{"age", age}});
}

std::optional<int64_t> decode_known_age(std::string_view value) {
  const auto json = parse_value(kDirectoryAgePrefix, value);
  return json ? integer_field(*json, "age", 1, INT64_MAX) : std::nullopt;
}

std::optional<Refusal> age_problem(const State& state, NodeId node, const Uuid& directory,
                                   int64_t age) {
  const auto noted = state.entries().find(directory_age_key(node, directory));
  if (noted == state.entries().end()) return std::nullopt;
  const auto known = decode_known_age(noted->second.value);
  if (!known) {
    return Refusal{RefusalCode::kInvalidRequest,
                   fmt::format("{} in the control store cannot be read, so nobody can say whether "
                               "the data directory of node {} was put back to an earlier state. If "
                               "a newer version of Magpie has written it, run that one",
                               noted->first, node.value)};
  }
  if (*known <= age || planted(PlantedBug::kOldDirectoryBelieved)) return std::nullopt;
  return Refusal{
      RefusalCode::kInvalidRequest,
      fmt::format("the data directory of node {} was put back to an earlier state, as by a backup "
                  "or a snapshot: its age is {}, and the control store knows it with {}. It may "
                  "lack records that this node said it holds, so it is not used. Move it away and "
                  "start the node with an empty directory; a failover group that this node led "
                  "needs a failover first (magpie failover)",
                  node.value, age, *known)};
}

Transaction tell_age(const State& state, NodeId node, const Uuid& directory, int64_t age) {
  Transaction transaction;
  compare_key(state, node_key(node), transaction);
  change_key(state, directory_age_key(node, directory), encode_known_age(age), transaction);
  return transaction;
}

DirectoryAge::DirectoryAge(port::FileRef file, port::Completion written, Duration interval)
    : file_(std::move(file)), written_(written), interval_(interval) {
  CHECK(file_ != nullptr && file_->path == kDirectoryAgePath && interval > Duration{});
}

void DirectoryAge::tick(Instant now, port::Effects& effects) {
  if (writing_ || now < next_) return;
  next_ = now + interval_;
  writing_ = true;
  effects.add(port::ReplaceFile{file_, {Buffer::copy_of(encode_age_file(on_disk_ + 1))}, written_});
}

void DirectoryAge::finish(const port::DiskDone& done, port::Effects& effects) {
  CHECK(std::exchange(writing_, false));
  if (done.status) ++on_disk_;
  if (std::exchange(is_refused_, !done.status) || done.status) return;
  effects.add(port::LogLine{
      port::Severity::kWarning, "control.age_not_written",
      fmt::format("{} cannot be written: {}. The node goes on, but if its directory is put back to "
                  "an earlier state, that may not be noticed; trying again every {} s",
                  kDirectoryAgePath, done.status.error().message,
                  interval_.to_milliseconds() / 1'000)});
}

}  // namespace magpie::control
