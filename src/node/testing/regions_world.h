// Several whole nodes in memory, one per region, with a control store and the links between them;
// in one thread and under one clock that tests move. For tests of what nodes do together.
//
// It is well behaved unless a test cuts something: what misbehaving networks, disks and stores do
// is the business of `sim`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "node/testing/node_harness.h"
#include "node/testing/test_client.h"
#include "store/image.h"
#include "store/service.h"

namespace magpie::node::testing {

class RegionsWorld {
 public:
  // Node i + 1 is in regions[i]; none is running yet. A region whose name begins with "witness" is
  // one.
  explicit RegionsWorld(const std::vector<std::string>& regions);
  ~RegionsWorld();

  size_t size() const { return nodes_.size(); }
  NodeHarness& node(size_t index) { return *nodes_.at(index)->harness; }
  // A client of that node; a new one after each boot.
  TestClient& client(size_t index) { return *nodes_.at(index)->client; }

  void boot(size_t index);
  void boot_all();
  // The process ends at once; its disk keeps what it has.
  void crash(size_t index);
  // The same, and its disk is gone.
  void lose(size_t index);

  // --- what is between them ---------------------------------------------------------------------

  Duration link_delay = Duration::milliseconds(20);  // one way
  Duration store_delay = Duration::milliseconds(1);
  // Nothing passes between the two in either direction, and connections do not notice.
  void cut(size_t one, size_t other);
  void join(size_t one, size_t other);
  void cut_store(size_t index) { without_store_.insert(index); }
  void join_store(size_t index) { without_store_.erase(index); }
  // A key of the control store, below the cluster's state; empty if it does not exist.
  std::string stored(const std::string& key) const;
  // Puts one there, as another program would.
  void store_value(const std::string& key, const std::string& value);

  // --- time -------------------------------------------------------------------------------------

  Now now() const { return now_; }
  void run_for(Duration duration);
  // True once `done()`; false if it takes longer than `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::seconds(60));

 private:
  struct Member {
    std::unique_ptr<NodeHarness> harness;
    std::unique_ptr<TestClient> client;
    std::map<port::HttpCallId, port::HttpExchangeId> calls;
    uint64_t life = 0;
  };
  // One end of a connection between two nodes.
  struct End {
    size_t peer = 0;
    port::ConnectionId at_peer;
    std::string unsent;  // an incomplete frame
  };
  using EndKey = std::pair<size_t, port::ConnectionId>;
  struct Exchange {
    size_t node = 0;
    port::HttpCallId call;
  };

  bool take(size_t index, port::Effect& effect);
  void connect(size_t index, const port::Connect& effect);
  void send(size_t index, const port::Send& effect);
  void close(size_t index, port::ConnectionId connection);
  void call(size_t index, const port::HttpCall& effect);
  void carry_out_store();
  void later(Duration after, std::function<void()> action);
  void deliver(size_t index, uint64_t life, port::Event event);
  bool is_cut(size_t one, size_t other) const;
  void set_clocks();
  void settle();

  Now now_;
  Random random_{1};
  std::vector<std::unique_ptr<Member>> nodes_;
  std::multimap<Instant, std::function<void()>> queue_;
  std::map<EndKey, End> ends_;
  std::set<std::pair<size_t, size_t>> cuts_;
  std::set<size_t> without_store_;
  uint64_t next_connection_ = 1'000'000;

  store::Image image_;
  std::unique_ptr<store::StoreService> service_;
  port::Effects store_effects_;
  std::map<port::HttpExchangeId, Exchange> exchanges_;
  uint64_t next_exchange_ = 1;
};

}  // namespace magpie::node::testing
