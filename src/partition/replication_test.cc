// Copies of one partition that lead, follow, die and come back, on memory engines whose durability
// the test controls. What is sent between them is handed over directly.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "engine/memory_engine.h"
#include "partition/partition.h"
#include "record/builder.h"

namespace magpie::partition {
namespace {

Buffer batch_of(int records, std::optional<int32_t> sequence = std::nullopt) {
  record::BatchBuilder builder;
  if (sequence) builder.set_producer(ProducerId{7}, ProducerEpoch{0}, *sequence);
  for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
  return builder.build();
}

class Copy {
 public:
  explicit Copy(int32_t id) : id_{id} { open(); }

  void open() {
    partition_.reset();
    auto engine = std::make_unique<Engine>(image_);
    engine_ = engine.get();
    partition_ =
        std::make_unique<Partition>("orders-0", PartitionConfig{}, std::move(engine), slot_);
    const auto mode = image_.exists ? engine::OpenMode::kExisting : engine::OpenMode::kCreate;
    partition_->open(now_, mode, kNoLeaderEpoch, out_);
  }

  Partition& partition() { return *partition_; }
  NodeId id() const { return id_; }
  Output& out() { return out_; }
  const Now& now() const { return now_; }

  void lead(int32_t epoch, std::vector<NodeId> required, int64_t floor = 0, bool loss = false) {
    partition_->lead(now_, {LeaderEpoch{epoch}, Offset{floor}, loss}, out_);
    partition_->require(now_, required, out_);
  }
  void append(uint64_t ticket, Buffer batch) {
    partition_->append(now_, ticket, std::move(batch), out_);
  }
  // Writes are volatile until settle().
  void hold() { engine_->hold(); }
  void settle() { partition_->step(now_, {}, out_); }
  // Cuts, too.
  void hold_cuts() { engine_->slow_cuts = true; }
  void compact() { engine_->compact(now_, partition_->high_watermark(), Duration{}, engine_out_); }
  void fail_writes() {
    partition_->step(now_, {.status = fail(ErrorKind::kNoSpace, "full")}, out_);
  }
  void reopen() {
    now_.instant = now_.instant + Duration::seconds(2);
    partition_->tick(now_, out_);
  }

  // Compares with the leader, cuts, and copies `batches` at most.
  void follow(Copy& leader, size_t batches = SIZE_MAX) {
    Partition& source = leader.partition();
    if (partition_->leader_epoch() != source.leader_epoch() ||
        partition_->role() != Role::kFollower)
      partition_->follow(now_, source.leader_epoch(), out_);
    const Divergence parted = find_divergence(source.copy_state(), partition_->copy_state());
    ASSERT_FALSE(parted.restart);
    if (parted.common_end < partition_->log_end()) partition_->cut(now_, parted.common_end, out_);
    partition_->reconciled(
        now_, {source.copy_state().epochs, source.producers().last_loss(), source.may_have_gaps()},
        out_);
    source.member_reconciled(id_, partition_->durable_end(), leader.out());
    copy_from(leader, batches);
    acknowledge(leader);
  }
  void copy_from(Copy& leader, size_t batches = SIZE_MAX) {
    Partition& source = leader.partition();
    const auto chain =
        source.read_for_member(now_, 0, partition_->log_end(), 1 << 20, leader.out());
    ASSERT_TRUE(chain);
    for (const Buffer& batch : *chain) {
      if (batches-- == 0) break;
      ASSERT_TRUE(partition_->append_copied(now_, batch, out_));
    }
    partition_->learn(now_, source.high_watermark(), source.log_start(), out_);
  }
  void acknowledge(Copy& leader) {
    leader.partition().member_durable(id_, partition_->durable_end(), leader.out());
  }

  // Every answer so far, by ticket.
  std::map<uint64_t, Refusal> answers() const {
    std::map<uint64_t, Refusal> found;
    for (const Event& event : said_) {
      if (const auto* settled = std::get_if<Settled>(&event)) {
        found[settled->ticket] = settled->refusal;
      }
    }
    return found;
  }
  bool said_epoch_spent() const {
    for (const Event& event : said_) {
      if (std::holds_alternative<EpochSpent>(event)) return true;
    }
    return false;
  }

 private:
  class Engine : public engine::MemoryEngine {
   public:
    using MemoryEngine::MemoryEngine;
    void cut(const Now& now, Offset end, engine::Output& out) override {
      if (!slow_cuts) return MemoryEngine::cut(now, end, out);
      cut_to_ = end;
    }
    void step(const Now& now, const port::DiskDone& done, engine::Output& out) override {
      if (cut_to_) {
        MemoryEngine::cut(now, *std::exchange(cut_to_, std::nullopt), out);
      } else if (done.status) {
        settle(out);
      } else {
        fail_writes(done.status.error(), true, out);
      }
    }

    bool slow_cuts = false;

   private:
    std::optional<Offset> cut_to_;
  };

  NodeId id_;
  Now now_;
  CompactionSlot slot_;
  engine::MemoryImage image_;
  port::Effects effects_;
  std::vector<Event> said_;
  Output out_{effects_, said_};
  std::vector<engine::Event> engine_said_;
  engine::Output engine_out_{effects_, engine_said_};
  Engine* engine_ = nullptr;
  std::unique_ptr<Partition> partition_;
};

using Answers = std::map<uint64_t, Refusal>;

TEST(Replication, AnAcknowledgementNeedsTheLeaderAndEveryRequiredMember) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  sh.hold();
  bj.append(1, batch_of(3));
  EXPECT_TRUE(bj.answers().empty());
  sh.copy_from(bj);
  sh.acknowledge(bj);
  EXPECT_TRUE(bj.answers().empty()) << "not durable at the member yet";
  sh.settle();
  sh.acknowledge(bj);
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
  EXPECT_EQ(bj.partition().high_watermark(), Offset{3});
  EXPECT_EQ(sh.partition().high_watermark(), Offset{0});
  sh.copy_from(bj);
  EXPECT_EQ(sh.partition().high_watermark(), Offset{3});
}

TEST(Replication, TheLeadersOwnDiskCountsToo) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.hold();
  bj.append(1, batch_of(3));
  sh.copy_from(bj);
  sh.acknowledge(bj);
  EXPECT_TRUE(bj.answers().empty());
  bj.settle();
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
}

TEST(Replication, NothingIsAcknowledgedBeforeTheSyncSetIsKnown) {
  Copy bj(1);
  bj.partition().lead(bj.now(), {LeaderEpoch{5}, Offset{}, false}, bj.out());
  bj.append(1, batch_of(1));
  EXPECT_TRUE(bj.answers().empty());
  bj.partition().require(bj.now(), {}, bj.out());
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}}));
}

TEST(Replication, ANewLeaderHasWhatWasAcknowledgedAndTheOldOneIsCut) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.append(1, batch_of(3));
  sh.copy_from(bj);
  sh.acknowledge(bj);
  bj.append(2, batch_of(2));  // never reaches sh
  sh.lead(6, {});
  sh.append(1, batch_of(4));
  bj.follow(sh);
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kNone}, {2, Refusal::kNotLeader}}));
  EXPECT_EQ(bj.partition().log_end(), Offset{7});
  EXPECT_EQ(bj.partition().copy_state(), sh.partition().copy_state());
}

TEST(Replication, AFollowerTakesNoWritesAndNothingThatDoesNotFollow) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  sh.follow(bj);
  sh.append(1, batch_of(1));
  EXPECT_EQ(sh.answers(), (Answers{{1, Refusal::kNotLeader}}));
  Buffer far = batch_of(1);
  record::stamp(far.mutable_bytes(), Offset{9}, LeaderEpoch{5});
  EXPECT_FALSE(sh.partition().append_copied(sh.now(), far, sh.out()));
  Buffer damaged = batch_of(1);
  record::stamp(damaged.mutable_bytes(), Offset{3}, LeaderEpoch{5});
  damaged.mutable_bytes().back() ^= std::byte{1};
  EXPECT_FALSE(sh.partition().append_copied(sh.now(), damaged, sh.out()));
  EXPECT_EQ(sh.partition().log_end(), Offset{3});
}

TEST(Replication, AfterALossNoOffsetIsUsedAgainAndProducersGoOn) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  sh.follow(bj);
  bj.append(2, batch_of(2, 3));  // lost
  sh.lead(6, {}, 1'000, true);
  sh.append(3, batch_of(1, 5));
  EXPECT_EQ(sh.answers(), (Answers{{3, Refusal::kNone}}));
  EXPECT_EQ(sh.partition().log_end(), Offset{1'001});
  sh.append(4, batch_of(1, 9));
  EXPECT_EQ(sh.answers().at(4), Refusal::kOutOfOrderSequence) << "it may jump once";
  sh.append(5, batch_of(2, 3));  // what was lost comes after all
  sh.append(6, batch_of(2, 3));
  EXPECT_EQ(sh.partition().log_end(), Offset{1'003}) << "stored once";
  sh.append(7, batch_of(1, 6));
  EXPECT_EQ(sh.answers().at(7), Refusal::kNone);
}

// Of two topics that are no longer compacted, one never was.
TEST(Replication, GapsAreTakenFromALeaderWhoseLogWasCompactedOnce) {
  for (const bool compacted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    bj.lead(5, {});
    for (uint64_t ticket = 1; ticket <= 3; ++ticket) bj.append(ticket, batch_of(1));
    if (compacted) {
      bj.compact();
      bj.open();
      bj.lead(6, {});
    }
    bj.append(4, batch_of(1));
    sh.follow(bj, 0);
    Buffer far = batch_of(1);
    record::stamp(far.mutable_bytes(), Offset{2}, LeaderEpoch{5});
    EXPECT_EQ(sh.partition().append_copied(sh.now(), far, sh.out()).has_value(), true)
        << "the first of its epoch";
    Buffer farther = batch_of(1);
    record::stamp(farther.mutable_bytes(), Offset{9}, LeaderEpoch{5});
    EXPECT_EQ(sh.partition().append_copied(sh.now(), farther, sh.out()).has_value(), compacted);
    EXPECT_EQ(sh.partition().may_have_gaps(), compacted);
  }
}

// It comes back in a later term, on another member, after restarts; and then it may jump once.
TEST(Replication, AProducerThatWasSilentThroughALossMayStillGoOn) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3, 0));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2, 3));  // lost
    sh.lead(6, {}, 1'000, true);
    gz.follow(sh);
    if (restarted) gz.open();
    gz.lead(7, {}, 1'000);
    gz.append(3, batch_of(1, 5));
    EXPECT_EQ(gz.answers().at(3), Refusal::kNone);
    sh.follow(gz);
    if (restarted) sh.open();
    sh.lead(8, {}, 1'000);
    sh.append(4, batch_of(1, 9));
    EXPECT_EQ(sh.answers().at(4), Refusal::kOutOfOrderSequence) << "it has jumped already";
    sh.append(5, batch_of(1, 6));
    EXPECT_EQ(sh.answers().at(5), Refusal::kNone);
  }
}

TEST(Replication, ALossIsKnownToTheLeaderThatItMadeAfterARestart) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  bj.lead(6, {}, 1'000, true);
  bj.open();
  bj.lead(7, {}, 1'000);
  bj.append(2, batch_of(1, 8));
  EXPECT_EQ(bj.answers().at(2), Refusal::kNone);
}

// The new epoch begins far above the offsets that were lost; they must not pass for records that
// both copies hold.
TEST(Replication, AfterALossTheOldLeaderLosesItsTail) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2));  // lost
    sh.lead(6, {}, 1'000, true);
    sh.append(3, batch_of(1));
    gz.follow(sh);
    if (restarted) {
      sh.open();
      gz.open();
      sh.lead(7, {});
      gz.follow(sh);
    }
    EXPECT_EQ(gz.partition().copy_state(), sh.partition().copy_state());
    bj.follow(sh);
    EXPECT_EQ(bj.partition().copy_state(), sh.partition().copy_state());
    EXPECT_EQ(bj.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
    // What lay between is nobody's: a client that stood there learns that it was lost.
    gz.lead(8, {});
    gz.append(4, batch_of(1));
    EXPECT_EQ(gz.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
  }
}

// A loss left offsets out, and nothing written since has come to stand above them.
TEST(Replication, WhatALossLeftOutIsLeftOutUntilSomethingStandsAboveIt) {
  Copy bj(1);
  bj.lead(5, {});
  bj.append(1, batch_of(3));
  bj.lead(6, {}, 1'000, true);
  bj.hold();
  bj.append(2, batch_of(1));
  bj.fail_writes();
  bj.reopen();
  EXPECT_EQ(bj.partition().log_end(), Offset{3});
  bj.lead(7, {});
  bj.append(3, batch_of(1));
  EXPECT_EQ(bj.partition().log_end(), Offset{1'001});
}

// An epoch that wrote nothing leaves no trace in any log; whoever leads next is told its floor.
TEST(Replication, ALossThatWroteNothingLeavesTheSameOffsetsOutInTheNextEpoch) {
  for (const bool restarted : {false, true}) {
    Copy bj(1);
    Copy sh(2);
    Copy gz(3);
    bj.lead(5, {});
    bj.append(1, batch_of(3));
    sh.follow(bj);
    gz.follow(bj);
    bj.append(2, batch_of(2));  // lost
    sh.lead(6, {}, 1'000, true);
    gz.follow(sh);
    if (restarted) gz.open();
    gz.lead(7, {}, 1'000);
    gz.append(3, batch_of(1));
    EXPECT_EQ(gz.partition().log_end(), Offset{1'001});
    sh.follow(gz);
    bj.follow(gz);
    EXPECT_EQ(sh.partition().copy_state(), gz.partition().copy_state());
    EXPECT_EQ(bj.partition().copy_state(), gz.partition().copy_state());
    EXPECT_EQ(bj.partition().epoch_end(LeaderEpoch{5}).end, Offset{3});
    // Something stands above it now; a floor below the log's end changes nothing.
    sh.lead(8, {}, 1'000);
    sh.append(4, batch_of(1));
    EXPECT_EQ(sh.partition().log_end(), Offset{1'002});
  }
}

TEST(Replication, ATermBeginsWithTheCeilingItIsTold) {
  Copy bj(1);
  bj.partition().lead(
      bj.now(), {.epoch = LeaderEpoch{5}, .floor = Offset{10}, .ceiling = Offset{11}}, bj.out());
  bj.append(1, batch_of(1));
  bj.append(2, batch_of(1));
  EXPECT_EQ(bj.answers(), (Answers{{2, Refusal::kBlocked}}));
  bj.partition().set_ceiling(Offset{12});
  bj.append(3, batch_of(1));
  bj.partition().require(bj.now(), {}, bj.out());
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
  EXPECT_EQ(bj.partition().log_end(), Offset{12});
}

TEST(Replication, ACopyBegunAnewIsEmptyAndTakesWhatFollows) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  bj.append(1, batch_of(3, 0));
  sh.follow(bj);
  EXPECT_EQ(sh.partition().producer_count(), 1u);
  for (uint64_t ticket = 2; ticket < 9; ++ticket) bj.append(ticket, batch_of(1));
  bj.partition().trim(bj.now(), Offset{7}, bj.out());
  sh.partition().begin_anew(sh.now(), Offset{7}, sh.out());
  EXPECT_EQ(sh.partition().copy_state(), (CopyState{{}, Offset{7}, Offset{7}}));
  EXPECT_EQ(sh.partition().high_watermark(), Offset{7});
  EXPECT_EQ(sh.partition().durable_end(), Offset{7});
  EXPECT_EQ(sh.partition().producer_count(), 0u);
  sh.open();
  EXPECT_EQ(sh.partition().high_watermark(), Offset{7});
  sh.follow(bj);
  EXPECT_EQ(sh.partition().copy_state(), bj.partition().copy_state());
  EXPECT_EQ(sh.partition().high_watermark(), Offset{10});
}

// A client deletes records of a copy that leads again, while its tail is still being cut.
TEST(Replication, NothingIsTrimmedWhileATailIsCut) {
  Copy bj(1);
  bj.lead(6, {});
  bj.append(1, batch_of(3));
  bj.partition().follow(bj.now(), LeaderEpoch{7}, bj.out());
  bj.hold_cuts();
  bj.partition().cut(bj.now(), Offset{0}, bj.out());
  bj.lead(8, {});
  bj.partition().trim(bj.now(), Offset{3}, bj.out());
  bj.settle();
  EXPECT_EQ(bj.partition().copy_state(), (CopyState{{}, Offset{0}, Offset{0}}));
}

// The leader says so while the follower's disk is behind, and has nothing to say afterwards.
TEST(Replication, AFollowersLogBeginsWhereItsLeadersDoes) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {});
  sh.follow(bj);
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) bj.append(ticket, batch_of(1));
  sh.hold();
  sh.copy_from(bj);
  sh.partition().learn(sh.now(), Offset{3}, Offset{2}, sh.out());
  EXPECT_EQ(sh.partition().log_start(), Offset{0}) << "not held durably yet";
  sh.settle();
  EXPECT_EQ(sh.partition().high_watermark(), Offset{3});
  EXPECT_EQ(sh.partition().log_start(), Offset{2});
}

TEST(Replication, ALeaderWhoseWriteFailedGivesOutNoMoreOffsetsInItsEpoch) {
  Copy bj(1);
  Copy sh(2);
  bj.lead(5, {sh.id()});
  sh.follow(bj);
  bj.hold();
  bj.append(1, batch_of(3));
  sh.copy_from(bj);  // sh holds offsets 0..2 of epoch 5
  bj.fail_writes();
  EXPECT_TRUE(bj.said_epoch_spent());
  bj.reopen();
  bj.append(2, batch_of(3));
  EXPECT_EQ(bj.answers(), (Answers{{1, Refusal::kStorage}, {2, Refusal::kNotLeader}}));
  bj.lead(6, {sh.id()});
  bj.append(3, batch_of(1));
  bj.settle();
  sh.follow(bj);
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
  EXPECT_EQ(sh.partition().copy_state(), bj.partition().copy_state());
}

TEST(Replication, ACopyThatLeadsWhileItIsCutTakesNothingBeforeTheCutIsDone) {
  Copy bj(1);
  bj.lead(6, {});
  bj.append(1, batch_of(3, 0));
  bj.partition().follow(bj.now(), LeaderEpoch{7}, bj.out());
  bj.hold_cuts();
  bj.partition().cut(bj.now(), Offset{0}, bj.out());
  EXPECT_TRUE(bj.partition().is_cutting());
  bj.lead(8, {}, 0, true);
  bj.append(2, batch_of(1));
  EXPECT_EQ(bj.answers().at(2), Refusal::kNotOpen);
  bj.partition().tick({Instant{} + Duration::seconds(1'000), {}}, bj.out());  // no upkeep meanwhile
  bj.settle();
  EXPECT_FALSE(bj.partition().is_cutting());
  bj.append(3, batch_of(1, 9));  // the epoch begins with loss, whenever the table was made
  EXPECT_EQ(bj.answers().at(3), Refusal::kNone);
  EXPECT_EQ(bj.partition().log_end(), Offset{1});
}

TEST(Replication, WithoutALeaseNothingIsAcknowledgedThatWasTakenOverBefore) {
  Copy bj(1);
  bj.lead(5, {});
  bj.hold();
  bj.append(1, batch_of(1, 0));
  bj.partition().hold_commits(true, bj.out());
  bj.settle();
  bj.append(2, batch_of(1, 0));
  EXPECT_EQ(bj.answers(), (Answers{{2, Refusal::kBlocked}}));
  EXPECT_EQ(bj.partition().high_watermark(), Offset{0});
  bj.partition().hold_commits(false, bj.out());
  EXPECT_EQ(bj.answers().at(1), Refusal::kNone);
}

TEST(Replication, BlockedOrWithoutReservedOffsetsNothingNewIsTaken) {
  Copy bj(1);
  bj.lead(5, {});
  bj.partition().set_blocked(true);
  bj.append(1, batch_of(1));
  bj.partition().set_blocked(false);
  bj.partition().set_ceiling(Offset{2});
  bj.append(2, batch_of(2));
  bj.append(3, batch_of(1));
  EXPECT_EQ(bj.answers(),
            (Answers{{1, Refusal::kBlocked}, {2, Refusal::kNone}, {3, Refusal::kBlocked}}));
}

// Random lives of three copies with one required member: whatever was acknowledged is held by every
// copy that may be promoted without loss, at its offset.
class Lives {
 public:
  explicit Lives(uint64_t seed) : random_(seed) {
    for (int32_t id = 1; id <= 3; ++id) copies_.push_back(std::make_unique<Copy>(id));
    promote(0);
  }

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      act();
      note_acknowledged();
    }
  }

 private:
  Copy& leader() { return *copies_[leader_]; }

  void act() {
    const uint64_t dice = random_.below(100);
    Copy& any = *copies_[random_.below(3)];
    if (dice < 40) {
      leader().append(++ticket_, batch_of(static_cast<int>(random_.between(1, 3))));
    } else if (dice < 70) {
      if (&any != &leader()) any.follow(leader(), random_.below(4));
    } else if (dice < 80) {
      any.hold();
    } else if (dice < 90) {
      any.settle();
    } else if (dice < 94) {
      // Between members that hold everything acknowledged, leadership moves freely.
      promote(random_.chance(1, 2) ? leader_ : required_);
    } else if (&any != &leader()) {
      any.settle();
      any.open();
    }
  }

  void promote(size_t who) {
    copies_[who]->settle();
    for (const auto& [offset, epoch] : acknowledged_) {
      ASSERT_EQ(epoch_at(*copies_[who], offset), epoch) << "an acknowledged record is missing";
    }
    leader_ = who;
    required_ = (who + 1 + random_.below(2)) % 3;
    leader().partition().lead(leader().now(), {LeaderEpoch{++epoch_}, Offset{}, false},
                              leader().out());
    // The sync set is known only once its member was compared and holds everything.
    copies_[required_]->follow(leader());
    copies_[required_]->settle();
    copies_[required_]->acknowledge(leader());
    leader().partition().require(leader().now(), {copies_[required_]->id()}, leader().out());
  }

  static LeaderEpoch epoch_at(Copy& copy, Offset offset) {
    if (offset >= copy.partition().log_end()) return kNoLeaderEpoch;
    return copy.partition().epochs().epoch_of(offset);
  }

  void note_acknowledged() {
    for (; noted_ < leader().partition().high_watermark(); noted_ = noted_ + 1) {
      acknowledged_[noted_] = epoch_at(leader(), noted_);
    }
  }

  Random random_;
  std::vector<std::unique_ptr<Copy>> copies_;
  size_t leader_ = 0;
  size_t required_ = 1;
  int32_t epoch_ = 0;
  uint64_t ticket_ = 0;
  Offset noted_;
  std::map<Offset, LeaderEpoch> acknowledged_;
};

TEST(Replication, WhatWasAcknowledgedOutlivesAnyLosslessPromotion) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Lives lives(seed);
    lives.live(200);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace magpie::partition
