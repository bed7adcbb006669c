#include "server/salvage_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/stored_log.h"

namespace magpie::server {
namespace {

std::string folder_in(const std::string& data, const std::string& name) {
  return data + "/salvage/" + name;
}

Result<KeptTail> read_tail(const std::string& data, const std::string& name) {
  const std::string path = folder_in(data, name) + "/" + std::string(salvage::kAboutName);
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in)
    return fail(ErrorKind::kNotFound, fmt::format("there is no tail '{}' in {}", name, data));
  auto tail = salvage::decode_about(path, text);
  if (!tail) return fail(tail.error());
  return KeptTail{name, std::move(*tail)};
}

}  // namespace

Result<std::vector<KeptTail>> list_tails(const std::string& data) {
  std::vector<KeptTail> tails;
  std::error_code error;
  if (!std::filesystem::is_directory(data, error)) {
    return fail(ErrorKind::kNotFound, fmt::format("{} is no data directory", data));
  }
  for (const auto& entry : std::filesystem::directory_iterator(data + "/salvage", error)) {
    auto kept = read_tail(data, entry.path().filename().string());
    if (!kept && kept.error().kind == ErrorKind::kNotFound) continue;
    if (!kept) return fail(kept.error());
    tails.push_back(std::move(*kept));
  }
  std::sort(tails.begin(), tails.end(),
            [](const KeptTail& a, const KeptTail& b) { return a.name < b.name; });
  return tails;
}

Result<KeptTail> find_tail(const std::string& data, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name == "..") {
    return fail(ErrorKind::kNotFound, fmt::format("there is no tail '{}' in {}", name, data));
  }
  return read_tail(data, name);
}

Status for_each_batch(const std::string& data, const KeptTail& kept, const std::string& survivor,
                      const OnTailBatch& on_batch) {
  salvage::Survivors survivors;
  const std::string log =
      fmt::format("{}/topics/{}-{}", survivor, kept.tail.topic, kept.tail.partition.value);
  const Status read = read_log(log, [&](const record::BatchHeader& header, auto) {
    if (header.next_offset() > kept.tail.from) survivors.add(header);
  });
  if (!read) return fail(read.error());
  const std::string records = folder_in(data, kept.name) + "/" + std::string(salvage::kRecordsName);
  const auto whole = read_batches(
      records, 0, [&](const record::BatchHeader& header, std::span<const std::byte> bytes) {
        on_batch(header, bytes, survivors.fate_of(header));
      });
  if (!whole) return fail(whole.error());
  if (!*whole) return fail(ErrorKind::kCorrupt, records + " is cut short");
  return {};
}

Result<salvage::Classification> classify_tail(const std::string& data, const KeptTail& kept,
                                              const std::string& survivor) {
  salvage::Classification fates;
  const Status read =
      for_each_batch(data, kept, survivor,
                     [&](const record::BatchHeader& header, std::span<const std::byte>,
                         salvage::Fate fate) { fates.add(fate, header.record_count); });
  if (!read) return fail(read.error());
  return fates;
}

Status discard_tail(const std::string& data, const KeptTail& kept) {
  const std::string folder = folder_in(data, kept.name);
  std::error_code error;
  // First what describes it, so that the folder never says more than it holds.
  std::filesystem::remove(folder + "/" + std::string(salvage::kAboutName), error);
  if (!error) std::filesystem::remove_all(folder, error);
  if (error) return fail(ErrorKind::kIo, fmt::format("{}: {}", folder, error.message()));
  return {};
}

}  // namespace magpie::server
