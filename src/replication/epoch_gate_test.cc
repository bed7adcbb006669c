#include "replication/epoch_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "base/random.h"

namespace magpie::replication {
namespace {

// A site: a gate and the file it leaves behind.
class Site {
 public:
  explicit Site(Instant now) { start(now); }

  void start(Instant now) {
    effects_.clear();
    gate_ = std::make_unique<EpochGate>(
        std::make_shared<const port::FileName>(port::FileName{{1}, "control/epochs"}), 9);
    EXPECT_TRUE(gate_->restore(now, file_));
  }
  EpochGate& gate() { return *gate_; }

  std::optional<AcceptAnswer> accept(Instant now, int32_t epoch) {
    std::optional<AcceptAnswer> answered;
    gate_->accept(
        now, "g", LeaderEpoch{epoch},
        [&](const AcceptAnswer& answer, port::Effects&) { answered = answer; }, effects_);
    settle(true);
    return answered;
  }
  bool promise(Instant now, int32_t epoch, Duration duration) {
    return gate_->promise(now, "g", LeaderEpoch{epoch}, duration).granted;
  }
  void settle(bool disk_works) {
    while (!effects_.empty()) {
      const port::Effect effect = effects_.list().front();
      effects_.clear();
      const auto& replace = std::get<port::ReplaceFile>(effect);
      port::DiskDone done;
      done.then = replace.then;
      if (disk_works) {
        file_ = flatten(replace.bytes).text();
      } else {
        done.status = fail(ErrorKind::kIo, "broken");
      }
      gate_->step(done, effects_);
    }
  }

 private:
  std::string file_;
  port::Effects effects_;
  std::unique_ptr<EpochGate> gate_;
};

constexpr Instant kBoot{5'000'000'000};
constexpr Instant kStart = kBoot + kPromiseMax;

TEST(EpochGate, APromiseForbidsHigherEpochsUntilItHasRunOut) {
  Site site(kBoot);
  EXPECT_TRUE(site.promise(kStart, 4, Duration::seconds(3)));
  const auto refused = site.accept(kStart + Duration::seconds(1), 5);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->accepted);
  EXPECT_EQ(refused->wait, Duration::seconds(2));
  const auto accepted = site.accept(kStart + Duration::seconds(3), 5);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(accepted->accepted);
}

TEST(EpochGate, WhoeverAcceptedAHigherEpochPromisesNothingToALowerOne) {
  Site site(kBoot);
  EXPECT_TRUE(site.accept(kStart, 5)->accepted);
  EXPECT_FALSE(site.promise(kStart, 4, Duration::seconds(1)));
  EXPECT_TRUE(site.promise(kStart, 5, Duration::seconds(1)));
  EXPECT_FALSE(site.accept(kStart, 4)->accepted);
  EXPECT_TRUE(site.accept(kStart, 5)->accepted);
}

TEST(EpochGate, AnAcceptanceOutlivesARestartAndAPromiseIsWaitedOut) {
  Site site(kBoot);
  EXPECT_TRUE(site.accept(kStart, 5)->accepted);
  EXPECT_TRUE(site.promise(kStart, 5, kPromiseMax));
  const Instant restart = kStart + Duration::seconds(1);
  site.start(restart);
  EXPECT_EQ(site.gate().accepted("g"), LeaderEpoch{5});
  EXPECT_TRUE(site.accept(restart, 5)->accepted);
  EXPECT_FALSE(site.accept(restart, 6)->accepted) << "it may have promised";
  EXPECT_TRUE(site.accept(restart + kPromiseMax, 6)->accepted);
}

TEST(EpochGate, NothingIsAcceptedThatTheDiskDoesNotHave) {
  Site site(kBoot);
  std::optional<AcceptAnswer> answered;
  port::Effects effects;
  site.gate().accept(
      kStart, "g", LeaderEpoch{5},
      [&](const AcceptAnswer& answer, port::Effects&) { answered = answer; }, effects);
  EXPECT_FALSE(answered);
  EXPECT_FALSE(site.promise(kStart, 4, Duration::seconds(1))) << "it is about to be accepted";
  port::DiskDone done;
  done.status = fail(ErrorKind::kIo, "broken");
  site.gate().step(done, effects);
  ASSERT_TRUE(answered);
  EXPECT_FALSE(answered->accepted);
  EXPECT_FALSE(answered->status);
  EXPECT_EQ(site.gate().accepted("g"), kNoLeaderEpoch);
}

TEST(EpochGate, AFileThatCannotBeReadIsRefused) {
  EpochGate gate(std::make_shared<const port::FileName>(port::FileName{{1}, "control/epochs"}), 9);
  for (const char* content :
       {"{", "[]", R"({"format":1})", R"({"format":1,"accepted":{"g":"x"}})"}) {
    EXPECT_EQ(gate.restore(kBoot, content).error().kind, ErrorKind::kCorrupt) << content;
  }
  EXPECT_EQ(gate.restore(kBoot, R"({"format":2})").error().kind, ErrorKind::kUnsupported);
}

// Three sites, a leader of epoch 1 that gathers promises and a challenger that gathers acceptances,
// restarts in between: they never hold a majority at the same time.
TEST(EpochGate, ALeaderWithPromisesAndASuccessorNeverHaveAMajorityTogether) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::vector<std::unique_ptr<Site>> sites;
    for (int i = 0; i < 3; ++i) sites.push_back(std::make_unique<Site>(kBoot));
    Instant now = kStart;
    std::array<Instant, 3> promised{};
    std::array<bool, 3> accepted{};
    for (int step = 0; step < 100; ++step) {
      now = now + Duration::milliseconds(static_cast<int64_t>(random.below(2'000)));
      const size_t who = random.below(3);
      const Duration asked = Duration::milliseconds(static_cast<int64_t>(random.below(12'000)));
      const uint64_t dice = random.below(10);
      if (dice < 5) {
        const PromiseAnswer answer = sites[who]->gate().promise(now, "g", LeaderEpoch{1}, asked);
        if (answer.granted) promised[who] = std::max(promised[who], now + answer.duration);
      } else if (dice < 9) {
        accepted[who] = sites[who]->accept(now, 2)->accepted || accepted[who];
      } else {
        sites[who]->start(now);
      }
      const auto promises = std::count_if(promised.begin(), promised.end(),
                                          [&](Instant until) { return until > now; });
      const auto votes = std::count(accepted.begin(), accepted.end(), true);
      ASSERT_FALSE(promises >= 2 && votes >= 2) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace magpie::replication
