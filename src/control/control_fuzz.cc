// Feeds arbitrary bytes to what reads the journal, the values, the identity and the age back from
// disk, and to what clients set as configuration. The first byte chooses; none may crash, and what
// is accepted must survive being written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/byte_writer.h"
#include "base/check.h"
#include "control/decide_configs.h"
#include "control/directory_age.h"
#include "control/identity.h"
#include "control/journal_format.h"
#include "control/state.h"
#include "control/topic_settings.h"

namespace magpie::control {
namespace {

void fuzz_journal(std::string_view bytes) {
  const auto recovered = recover_journal("journal", Buffer::copy_of(bytes), "c");
  if (!recovered) return;
  CHECK(recovered->valid_bytes + recovered->torn_bytes == bytes.size());
  const Buffer again = flatten(encode_journal("c", recovered->state));
  const auto twice = recover_journal("journal", again, "c");
  CHECK(twice.has_value() && twice->state == recovered->state);
}

// "key=value" puts, "key" deletes.
std::vector<Change> lines_of(std::string_view bytes) {
  std::vector<Change> changes;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view line = bytes.substr(0, end);
    const size_t split = line.find('=');
    Change change{std::string(line.substr(0, split)), std::nullopt};
    if (split != std::string_view::npos) change.value = std::string(line.substr(split + 1));
    changes.push_back(std::move(change));
    bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
  }
  return changes;
}

// A record with the right checksum around the bytes, so that the changes inside are reached.
void fuzz_changes(std::string_view bytes) {
  Revision revision = 1;
  ByteWriter journal;
  journal.write_text(encode_journal_header("c").text());
  for (const Change& change : lines_of(bytes)) {
    journal.write_text(encode_journal_record(revision++, {change}).text());
  }
  fuzz_journal(flatten(journal.finish()).text());
}

void fuzz_configs(std::string_view bytes) {
  State state;
  const Change topic = {"topics/a", R"({"v":1,"id":"EREREREREREREREREREREQ","placement":[1]})"};
  CHECK(state.apply(1, {topic}).has_value());
  IncrementalAlterConfigs request{"a", {}, false};
  for (const Change& line : lines_of(bytes)) {
    const auto operation = static_cast<AlterOperation>(line.key.size() % 5);
    const bool even = line.value && line.value->size() % 2 == 0;
    request.alterations.push_back({line.key, even ? AlterOperation::kSet : operation, line.value});
    const auto decided = decide_incremental_alter_configs(state, {}, request);
    request.alterations.clear();
    if (!decided || decided->transaction.empty()) continue;
    CHECK(state.apply(state.revision() + 1, decided->transaction.changes).has_value());
    effective_settings(state.topic_configs("a"), {});
  }
}

void fuzz_identity(std::string_view bytes) {
  const auto identity = decode_identity("identity", bytes);
  if (!identity) return;
  const auto again = decode_identity("identity", encode_identity(*identity));
  CHECK(again.has_value() && *again == *identity);
}

void fuzz_age(std::string_view bytes) {
  const auto age = decode_age_file("age", bytes);
  CHECK(!age || encode_age_file(*age) == bytes);
}

}  // namespace
}  // namespace magpie::control

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] == 0) magpie::control::fuzz_journal(bytes);
  if (data[0] == 1) magpie::control::fuzz_changes(bytes);
  if (data[0] == 2) magpie::control::fuzz_identity(bytes);
  if (data[0] == 3) magpie::control::fuzz_configs(bytes);
  if (data[0] == 4) magpie::control::fuzz_age(bytes);
  return 0;
}
