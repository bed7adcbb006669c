#include "server/salvage_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "os/testing.h"
#include "record/builder.h"
#include "server/testing.h"

namespace magpie::server {
namespace {

class SalvageFolder : public ::testing::Test {
 protected:
  SalvageFolder() {
    std::filesystem::create_directories(data() + "/topics/orders-3");
    std::filesystem::create_directories(data() + "/salvage/unfinished");
    tail_.topic = "orders";
    tail_.topic_id.bytes.fill(2);
    tail_.partition = PartitionIndex{3};
    tail_.group = "pay";
    tail_.epoch = LeaderEpoch{6};
    tail_.cut_in = LeaderEpoch{7};
    tail_.from = Offset{10};
    tail_.to = Offset{16};
    tail_.records = 6;
  }
  std::string data() const { return folder_.path(); }
  // Of a producer, with its sequence numbers from `sequence` on; of none if that is negative.
  static std::string batch(int64_t base, int records, int32_t sequence) {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
    std::string bytes(builder.build().text());
    const auto place = std::as_writable_bytes(std::span(bytes.data(), bytes.size()));
    record::BatchHeader header = record::parse_header(place);
    header.base_offset = Offset{base};
    if (sequence >= 0) {
      header.producer_id = ProducerId{5};
      header.producer_epoch = ProducerEpoch{0};
      header.base_sequence = sequence;
    }
    record::store_header(place, header);
    header.crc = record::checksum_of(place);
    record::store_header(place, header);
    return bytes;
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  // Two records that survived, two that did not, two of nobody knows whom.
  std::string keep() {
    const std::string folder = data() + "/" + salvage::folder_of(tail_);
    write(folder + "/00000000000000000000.log",
          batch(10, 2, 100) + batch(12, 2, 102) + batch(14, 2, -1));
    write(folder + "/about.json", salvage::encode_about(tail_));
    write(data() + "/topics/orders-3/00000000000000000000.log",
          batch(0, 10, 0) + batch(20, 2, 100));
    return std::filesystem::path(folder).filename().string();
  }

  os::TempFolder folder_;
  salvage::Tail tail_;
};

TEST_F(SalvageFolder, ListsWhatIsWhole) {
  EXPECT_TRUE(list_tails(data())->empty());
  const std::string name = keep();
  const auto tails = list_tails(data());
  ASSERT_EQ(tails->size(), 1u);
  EXPECT_EQ(tails->front().name, name);
  EXPECT_EQ(tails->front().tail, tail_);
  EXPECT_FALSE(list_tails(data() + "/nothing"));
  for (const char* bad : {"", "..", "a/b", "unfinished", "nothing"}) {
    EXPECT_FALSE(find_tail(data(), bad)) << bad;
  }
  write(data() + "/salvage/newer/about.json", R"({"format":9})");
  EXPECT_FALSE(list_tails(data())) << "what cannot be read is not left out";
}

TEST_F(SalvageFolder, SaysWhatBecameOfTheRecords) {
  const auto kept = find_tail(data(), keep());
  ASSERT_TRUE(kept) << kept.error().message;
  const auto fates = classify_tail(data(), *kept, data());
  ASSERT_TRUE(fates) << fates.error().message;
  EXPECT_EQ(*fates, (salvage::Classification{2, 2, 2}));
  EXPECT_FALSE(classify_tail(data(), *kept, data() + "/nothing"));
  write(data() + "/salvage/" + kept->name + "/00000000000000000000.log",
        batch(10, 2, 100).substr(0, 70));
  EXPECT_FALSE(classify_tail(data(), *kept, data())) << "a damaged tail is not taken for empty";
}

TEST_F(SalvageFolder, ByCommand) {
  const std::string name = keep();
  const CommandResult listed = run_magpie({"salvage", "list", "--data", data(), "-o", "json"});
  EXPECT_EQ(nlohmann::json::parse(listed.output)["tails"][0]["name"], name);
  const CommandResult shown = run_magpie({"salvage", "show", name, "--data", data()});
  EXPECT_EQ(shown.output,
            "orders-3, offsets 10 to 16, written in epoch 6, cut in epoch 7 at 1970-01-01 "
            "00:00:00.000 UTC\n"
            "present in the surviving log: 2 records\nabsent: 2\nunidentifiable: 2\n");
  EXPECT_EQ(run_magpie({"salvage", "discard", name, "--data", data()}).exit_code, 1);
  EXPECT_EQ(run_magpie({"salvage", "discard", name, "--data", data(), "--yes"}).exit_code, 0);
  EXPECT_EQ(run_magpie({"salvage", "show", name, "--data", data()}).exit_code, 1);
  EXPECT_TRUE(list_tails(data())->empty());
}

}  // namespace
}  // namespace magpie::server
