// The store against a twin that keeps every revision as a whole map and knows no shortcut.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "store/key_range.h"
#include "store/key_value_store.h"

namespace magpie::store {
namespace {

using Snapshot = std::map<std::string, KeyValue>;

class Twin {
 public:
  Revision revision() const { return static_cast<Revision>(snapshots_.size()) + 1; }
  const Snapshot& now() const { return snapshots_.empty() ? empty_ : snapshots_.back(); }
  const Snapshot& at(Revision revision) const {
    return revision < 2 ? empty_ : snapshots_[static_cast<size_t>(revision) - 2];
  }

  // Carries the operations out on a copy; it becomes the next revision if it differs.
  void change(const std::vector<Operation>& operations) {
    Snapshot next = now();
    bool changed = false;
    for (const Operation& operation : operations) {
      if (const auto* put = std::get_if<PutRequest>(&operation)) {
        KeyValue& kv = next[put->key];
        const Revision created = kv.version == 0 ? revision() + 1 : kv.create_revision;
        kv = {put->key, put->value, created, revision() + 1, kv.version + 1, put->lease};
        changed = true;
      } else if (const auto* erased = std::get_if<DeleteRangeRequest>(&operation)) {
        changed |= std::erase_if(next, [&](const auto& entry) {
                     return in_range(entry.first, erased->key, erased->range_end);
                   }) > 0;
      }
    }
    if (changed) snapshots_.push_back(std::move(next));
  }

  bool holds(const Compare& compare) const {
    const auto found = now().find(compare.key);
    if (compare.target == CompareTarget::kValue) {
      if (found == now().end()) return false;
      return holds(compare.result, found->second.value.compare(compare.value));
    }
    const KeyValue kv = found == now().end() ? KeyValue{} : found->second;
    const std::map<CompareTarget, int64_t> numbers = {{CompareTarget::kVersion, kv.version},
                                                      {CompareTarget::kCreate, kv.create_revision},
                                                      {CompareTarget::kMod, kv.mod_revision},
                                                      {CompareTarget::kLease, kv.lease}};
    return holds(compare.result, static_cast<int>(numbers.at(compare.target) - compare.number));
  }

  std::vector<WatchEvent> events(Revision first, const std::string& key,
                                 const std::string& end) const {
    std::vector<WatchEvent> events;
    for (Revision r = first; r <= revision(); ++r) {
      for (const auto& [name, kv] : at(r)) {
        if (kv.mod_revision == r && in_range(name, key, end)) events.push_back({false, kv});
      }
      for (const auto& [name, kv] : at(r - 1)) {
        const bool gone = !at(r).contains(name) && in_range(name, key, end);
        if (gone) events.push_back({true, {name, "", 0, r, 0, 0}});
      }
    }
    return events;
  }

 private:
  static bool holds(CompareResult result, int sign) {
    if (result == CompareResult::kEqual) return sign == 0;
    if (result == CompareResult::kNotEqual) return sign != 0;
    return result == CompareResult::kGreater ? sign > 0 : sign < 0;
  }

  std::vector<Snapshot> snapshots_;  // from revision 2 on
  Snapshot empty_;
};

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1: {
        const PutRequest put{key(), value(), 0};
        EXPECT_EQ(store_.put(put)->header.revision, twin_.revision() + 1);
        twin_.change({put});
        break;
      }
      case 2: {
        const DeleteRangeRequest erase{key(), end()};
        const size_t before = twin_.now().size();
        twin_.change({erase});
        const auto answer = store_.delete_range(erase);
        EXPECT_EQ(static_cast<size_t>(answer->deleted), before - twin_.now().size());
        break;
      }
      case 3:
      case 4:
        transact();
        break;
      case 5:
        lease();
        break;
      case 6:
        if (random_.chance(1, 4)) compact();
        break;
      default:
        restart_sometimes();
    }
    EXPECT_EQ(store_.revision(), twin_.revision());
    image_.apply(store_.take_changes());
    EXPECT_EQ(image_.revision, store_.revision());
    compare_reads();
    compare_watch();
  }

 private:
  std::string key() { return std::string(1, static_cast<char>('a' + random_.below(6))); }
  std::string value() { return std::to_string(random_.below(3)); }
  std::string end() {
    if (random_.chance(1, 2)) return "";
    return random_.chance(1, 4) ? std::string(kNoEnd) : key();
  }

  void transact() {
    TxnRequest request;
    const auto holding = twin_.now().find(key());
    if (holding != twin_.now().end()) {
      request.compare.push_back({holding->first, CompareTarget::kMod, CompareResult::kEqual,
                                 holding->second.mod_revision, ""});
    }
    if (random_.chance(1, 2)) {
      request.compare.push_back({key(), static_cast<CompareTarget>(random_.below(5)),
                                 static_cast<CompareResult>(random_.below(4)),
                                 random_.between(0, twin_.revision()), value()});
    }
    // Different keys in each, so that nothing is changed twice.
    request.success = {PutRequest{"a", value()}, PutRequest{"c", value()},
                       DeleteRangeRequest{"d", random_.chance(1, 2) ? "" : "f"}};
    request.failure = {DeleteRangeRequest{key(), end()}, DeleteRangeRequest{key(), end()}};
    const bool succeeds =
        std::all_of(request.compare.begin(), request.compare.end(),
                    [this](const Compare& compare) { return twin_.holds(compare); });
    twin_.change(succeeds ? request.success : request.failure);
    const auto answer = store_.txn(request);
    EXPECT_EQ(answer->succeeded, succeeds);
    EXPECT_EQ(answer->header.revision, twin_.revision());
  }

  // Grants one, attaches two keys, lets it run out or revokes it.
  void lease() {
    const LeaseId id = store_.grant({5, 0}, now_)->id;
    for (const char* name : {"b", "e"}) {
      const PutRequest put{name, value(), id};
      store_.put(put);
      twin_.change({put});
    }
    if (random_.chance(1, 2)) {
      now_ = now_ + Duration::seconds(5);
      store_.expire(now_);
    } else {
      EXPECT_TRUE(store_.revoke({id}).has_value());
    }
    twin_.change({DeleteRangeRequest{"b", ""}, DeleteRangeRequest{"e", ""}});
  }

  void compact() {
    const Revision to = random_.between(1, twin_.revision());
    const bool allowed = to > compacted_;
    EXPECT_EQ(store_.compact({to}).has_value(), allowed);
    if (allowed) compacted_ = to;
    known_from_ = std::max(known_from_, compacted_);
  }

  void restart_sometimes() {
    if (!random_.chance(1, 10) || twin_.revision() == 1) return;
    store_ = KeyValueStore(image_, random_.fork(), now_);
    compacted_ = twin_.revision();
    known_from_ = compacted_ + 1;
  }

  void compare_reads() {
    RangeRequest request{key(), end()};
    request.revision = random_.between(0, twin_.revision());
    request.limit = random_.between(0, 3);
    const auto answer = store_.range(request);
    const bool readable = request.revision == 0 || request.revision >= compacted_;
    ASSERT_EQ(answer.has_value(), readable);
    if (!readable) return;
    std::vector<KeyValue> expected;
    const Snapshot& snapshot = request.revision == 0 ? twin_.now() : twin_.at(request.revision);
    for (const auto& [name, kv] : snapshot) {
      if (in_range(name, request.key, request.range_end)) expected.push_back(kv);
    }
    EXPECT_EQ(static_cast<size_t>(answer->count), expected.size());
    if (request.limit > 0 && expected.size() > static_cast<size_t>(request.limit)) {
      expected.resize(static_cast<size_t>(request.limit));
      EXPECT_TRUE(answer->more);
    }
    EXPECT_EQ(answer->kvs, expected);
  }

  void compare_watch() {
    EXPECT_EQ(store_.first_known(), known_from_);
    const Revision first = random_.between(known_from_, twin_.revision() + 1);
    const std::string from = key();
    const std::string to = end();
    auto real = store_.events(first, twin_.revision(), from, to);
    auto expected = twin_.events(first, from, to);
    const auto order = [](const WatchEvent& a, const WatchEvent& b) {
      return std::pair(a.kv.mod_revision, a.kv.key) < std::pair(b.kv.mod_revision, b.kv.key);
    };
    std::sort(real.begin(), real.end(), order);
    std::sort(expected.begin(), expected.end(), order);
    EXPECT_EQ(real, expected);
  }

  Random random_;
  Instant now_;
  Twin twin_;
  Image image_;
  KeyValueStore store_{image_, Random(9), now_};
  Revision compacted_ = 0;
  Revision known_from_ = 1;
};

TEST(KeyValueTwin, AgreesWithTheStoreInEverything) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Walk walk(seed);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) walk.step();
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace magpie::store
