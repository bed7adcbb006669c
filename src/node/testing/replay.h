// Plays a recorded session against the node of a harness and compares what comes back.
//
// The problem: real clients send what nobody would think of writing into a test, but a recording
// names things that only the recorded broker knew. The idea: the requests are sent as they were,
// except that names the recorded broker gave out (member ids) are replaced by those this node gave
// out in the same place; every answer is decoded to its last byte and, where the recording has it,
// compared field by field, leaving out what must differ (answer_comparison.h). Where the recorded
// broker sent the client away because it was not ready, request and answer are left out: the client
// came again.
//
// What it does not do: long answers are noted by their length only, so of them just the form is
// checked; and a request in a version that the node does not offer checks only that it is refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/testing/message_fields.h"
#include "node/testing/node_harness.h"
#include "node/testing/recording.h"

namespace magpie::node::testing {

struct ReplayResult {
  int requests = 0;
  int answers = 0;                       // that came and were well formed
  int compared = 0;                      // of those, the ones compared field by field
  int not_offered = 0;                   // requests in versions that were refused
  int not_ready = 0;                     // requests that the recorded broker sent away
  std::vector<std::string> differences;  // one text per frame, for people
};

class Replay {
 public:
  explicit Replay(NodeHarness& harness) : harness_(harness) {}

  ReplayResult run(const std::vector<RecordedFrame>& frames);

 private:
  // What became of a request, kept until its answer comes in the recording.
  enum class Fate { kSent, kRefused, kLeftOut };

  Fate request(const RecordedFrame& frame, const RecordedFrame* answer);
  // A request in a version that is not offered: closed, or answered with an error.
  void refused(const RecordedFrame& frame);
  void answer(const RecordedFrame& frame, const RecordedFrame& request);
  // The next answer on the connection; lets time pass for it.
  std::optional<Buffer> wait_for_answer(port::ConnectionId connection);
  void learn(const std::vector<Field>& recorded, const std::vector<Field>& ours);
  // The same where the recorded answer is not known: from what the client says next.
  void learn_from_request(const RecordedFrame& frame, ByteReader in);
  void complain(const RecordedFrame& frame, const std::string& what);

  NodeHarness& harness_;
  std::map<std::string, port::ConnectionId> connections_;
  Translation translation_;
  // By connection: the member id we gave out in an answer of which only the length was noted.
  std::map<std::string, std::string> untold_;
  ReplayResult result_;
};

}  // namespace magpie::node::testing
