// Plays a written conversation with the coordinator and writes down everything it says, for golden
// tests. The language is described in testdata/README.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "group/group_coordinator.h"

namespace magpie::group {

class Conversation {
 public:
  Conversation();

  // Carries out one command line; returns what the coordinator did, a line for each thing.
  std::string play(const std::string& line);

 private:
  // A command, its positional words, and its key=value words.
  struct Command {
    std::string name;
    std::vector<std::string> words;
    std::map<std::string, std::string> options;

    std::string option(const std::string& key, const std::string& otherwise) const;
    int32_t number(const std::string& key, int32_t otherwise) const;
  };
  static Command parse(const std::string& line);

  void carry_out(const Command& command);
  bool send_member_request(const Command& command);
  bool send_admin_request(const Command& command);
  void control_appends(const Command& command);
  void advance(Duration by);
  void restart();
  void show_fetch(const Command& command);
  void show_description(const std::string& group_id);
  void show_groups();

  JoinGroup join_of(const Command& command) const;
  SyncGroup sync_of(const Command& command) const;
  OffsetCommit commit_of(const Command& command) const;

  template <typename Request>
  void send(Request request);
  void deliver(const Event& event);
  void collect();
  void settle();

  void say(const std::string& text);
  void say_reply(const Reply& reply);
  void say_record(const Record& record);
  // Member ids have a random part: in the script they are called "<client>#<number>".
  void name_members(const Output& out);
  void name_member(const std::string& member_id);
  std::string shorten(std::string text) const;
  std::string member_id(const std::string& name) const;

  std::unique_ptr<GroupCoordinator> coordinator_;
  GroupConfig config_;
  Now now_{Instant{0}, WallTime{1'700'000'000'000}};
  Output out_;
  std::vector<Append> undecided_;
  bool holds_appends_ = false;
  std::vector<Record> log_;
  uint64_t last_token_ = 0;
  uint64_t starts_ = 0;
  std::map<std::string, std::string> names_;  // member id to name
  std::map<std::string, std::string> ids_;    // and back
  std::string said_;
};

}  // namespace magpie::group
