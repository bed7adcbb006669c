#include "group/conversation.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "group/test_bench.h"

namespace magpie::group {
namespace {

// The random part of a member id, with its dash.
constexpr size_t kRandomPart = 23;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

// "orders/3"
TopicPartition partition_of(const std::string& word) {
  const size_t slash = word.find('/');
  CHECK(slash != std::string::npos);
  return {word.substr(0, slash), std::stoi(word.substr(slash + 1))};
}

std::string to_text(const TopicPartition& at) {
  return at.topic + "/" + std::to_string(at.partition);
}

std::string to_text(const PositionResult& result) {
  return to_text(result.at) + "=" + to_string(result.error);
}

std::string quoted(const Buffer& bytes) {
  return "'" + std::string(bytes.text()) + "'";
}

}  // namespace

std::string Conversation::Command::option(const std::string& key,
                                          const std::string& otherwise) const {
  const auto found = options.find(key);
  return found == options.end() ? otherwise : found->second;
}

int32_t Conversation::Command::number(const std::string& key, int32_t otherwise) const {
  const auto found = options.find(key);
  return found == options.end() ? otherwise : std::stoi(found->second);
}

Conversation::Command Conversation::parse(const std::string& line) {
  Command command;
  std::istringstream stream(line);
  stream >> command.name;
  for (std::string word; stream >> word;) {
    const size_t equals = word.find('=');
    const bool is_position = word.find('/') < equals;
    if (equals == std::string::npos || is_position) {
      command.words.push_back(word);
    } else {
      command.options[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  return command;
}

Conversation::Conversation() {
  config_.offsets_retention = Duration::seconds(3'600);
  restart();
}

std::string Conversation::play(const std::string& line) {
  carry_out(parse(line));
  return said_.empty() ? "nothing\n" : std::exchange(said_, "");
}

void Conversation::carry_out(const Command& command) {
  if (send_member_request(command) || send_admin_request(command)) return;
  if (command.name == "advance") {
    advance(Duration::milliseconds(std::stoll(command.words.at(0))));
  } else if (command.name == "appends") {
    control_appends(command);
  } else if (command.name == "restart") {
    restart();
  } else if (command.name == "fetch") {
    show_fetch(command);
  } else if (command.name == "describe") {
    show_description(command.words.at(0));
  } else if (command.name == "list") {
    show_groups();
  } else {
    say("unknown command: " + command.name);
  }
}

// --- requests ------------------------------------------------------------------------------------

bool Conversation::send_member_request(const Command& command) {
  const std::string group_id = command.words.empty() ? "" : command.words[0];
  const std::string member = member_id(command.option("member", ""));
  std::optional<std::string> instance_id;
  if (command.options.count("instance") != 0) instance_id = command.option("instance", "");
  if (command.name == "join") {
    send(join_of(command));
  } else if (command.name == "sync") {
    send(sync_of(command));
  } else if (command.name == "heartbeat") {
    send(Heartbeat{{}, group_id, command.number("generation", -1), member, instance_id});
  } else if (command.name == "leave") {
    send(LeaveGroup{{}, group_id, {{member, instance_id, ""}}});
  } else if (command.name == "commit") {
    send(commit_of(command));
  } else {
    return false;
  }
  return true;
}

bool Conversation::send_admin_request(const Command& command) {
  if (command.name == "delete-groups") {
    send(DeleteGroups{{}, command.words});
  } else if (command.name == "delete-positions") {
    OffsetDelete request{{}, command.words.at(0), {}};
    for (size_t i = 1; i < command.words.size(); ++i) {
      request.positions.push_back(partition_of(command.words[i]));
    }
    send(request);
  } else if (command.name == "topic-deleted") {
    deliver(TopicDeleted{command.words.at(0)});
  } else {
    return false;
  }
  return true;
}

JoinGroup Conversation::join_of(const Command& command) const {
  const int32_t version = command.number("version", 9);
  JoinGroup request = joining(command.words.at(0), command.option("client", ""),
                              member_id(command.option("member", "")));
  if (command.options.count("instance") != 0) request.instance_id = command.option("instance", "");
  request.protocol_type = command.option("type", "consumer");
  request.session_timeout_ms = command.number("session", 10'000);
  request.rebalance_timeout_ms = command.number("rebalance", 60'000);
  request.requires_member_id = version >= 4;
  request.supports_skip_assignment = version >= 9;
  request.protocols.clear();
  for (const std::string& protocol : split(command.option("protocols", "range:orders"), ',')) {
    const std::vector<std::string> parts = split(protocol, ':');
    request.protocols.push_back(
        {parts.at(0), subscription(split(parts.size() > 1 ? parts[1] : "", '+'))});
  }
  return request;
}

SyncGroup Conversation::sync_of(const Command& command) const {
  SyncGroup request = syncing(command.words.at(0), member_id(command.option("member", "")),
                              command.number("generation", -1));
  if (command.options.count("instance") != 0) request.instance_id = command.option("instance", "");
  for (const std::string& pair : split(command.option("assign", ""), ',')) {
    const std::vector<std::string> parts = split(pair, ':');
    request.assignments.push_back({member_id(parts.at(0)), bytes(parts.at(1))});
  }
  return request;
}

OffsetCommit Conversation::commit_of(const Command& command) const {
  OffsetCommit request;
  request.group_id = command.words.at(0);
  request.member_id = member_id(command.option("member", ""));
  request.generation = command.number("generation", -1);
  if (command.options.count("instance") != 0) request.instance_id = command.option("instance", "");
  for (size_t i = 1; i < command.words.size(); ++i) {
    const size_t equals = command.words[i].find('=');
    request.positions.push_back({partition_of(command.words[i].substr(0, equals)),
                                 Offset{std::stoll(command.words[i].substr(equals + 1))},
                                 LeaderEpoch{0}, ""});
  }
  return request;
}

// --- driving -------------------------------------------------------------------------------------

template <typename Request>
void Conversation::send(Request request) {
  request.token = ReplyToken{++last_token_};
  deliver(Event(std::move(request)));
  const auto answered = "[" + std::to_string(last_token_) + "]";
  if (said_.find(answered) == std::string::npos) say(answered + " waits");
}

void Conversation::deliver(const Event& event) {
  coordinator_->step(now_, event, out_);
  collect();
  if (!holds_appends_) settle();
}

void Conversation::collect() {
  const Output out = std::exchange(out_, {});
  name_members(out);
  for (const port::LogLine& line : out.log) say("log " + line.code + ": " + line.text);
  for (const Append& append : out.appends) {
    say("append " + std::to_string(append.id.value));
    for (const Record& record : append.records) say_record(record);
    undecided_.push_back(append);
  }
  for (const Reply& reply : out.replies) say_reply(reply);
}

void Conversation::settle() {
  while (!undecided_.empty()) {
    const Append append = undecided_.front();
    undecided_.erase(undecided_.begin());
    log_.insert(log_.end(), append.records.begin(), append.records.end());
    if (holds_appends_) say("committed " + std::to_string(append.id.value));
    coordinator_->step(now_, AppendCommitted{append.id}, out_);
    collect();
  }
}

void Conversation::control_appends(const Command& command) {
  const std::string& what = command.words.at(0);
  if (what == "hold") {
    holds_appends_ = true;
  } else if (what == "settle") {
    settle();
    holds_appends_ = false;
  } else if (what == "fail") {
    const AppendId id = undecided_.at(0).id;
    undecided_.erase(undecided_.begin());
    say("failed " + std::to_string(id.value));
    coordinator_->step(now_, AppendFailed{id, AppendFailure::kNotDurable}, out_);
    collect();
  } else {
    say("unknown: appends " + what);
  }
}

void Conversation::advance(Duration by) {
  const Instant end = now_.instant + by;
  while (coordinator_->next_deadline() <= end) {
    const Instant deadline = std::max(coordinator_->next_deadline(), now_.instant);
    const Duration passed = deadline - now_.instant;
    now_.wall.millis += passed.to_milliseconds();
    now_.instant = deadline;
    coordinator_->tick(now_, out_);
    if (!out_.log.empty() || !out_.appends.empty() || !out_.replies.empty()) {
      say("at " + std::to_string((now_.instant - Instant{0}).to_milliseconds()) + " ms");
    }
    collect();
    if (!holds_appends_) settle();
  }
  now_.wall.millis += (end - now_.instant).to_milliseconds();
  now_.instant = end;
}

void Conversation::restart() {
  undecided_.clear();
  coordinator_ = std::make_unique<GroupCoordinator>(config_, ++starts_);
  for (const Record& record : log_) CHECK(coordinator_->load(record).has_value());
  coordinator_->finish_loading(now_, out_);
  collect();
  if (starts_ > 1) say("loaded " + std::to_string(log_.size()) + " records");
}

// --- names ---------------------------------------------------------------------------------------

void Conversation::name_members(const Output& out) {
  for (const ListedGroup& group : coordinator_->list({}).groups) {
    for (const DescribedMember& member : coordinator_->describe(group.group_id).members) {
      name_member(member.member_id);
    }
  }
  for (const Append& append : out.appends) {
    for (const Record& record : append.records) {
      const Result<Change> change = decode(record);
      const auto* stored = std::get_if<GroupStored>(&change->what);
      if (stored == nullptr) continue;
      for (const MemberMetadata& member : stored->metadata.members) name_member(member.member_id);
    }
  }
  for (const Reply& reply : out.replies) {
    const auto* joined = std::get_if<JoinGroupReply>(&reply.body);
    if (joined != nullptr) name_member(joined->member_id);
  }
}

void Conversation::name_member(const std::string& id) {
  if (id.size() <= kRandomPart || names_.count(id) != 0) return;
  const std::string prefix = id.substr(0, id.size() - kRandomPart);
  int number = 1;
  while (ids_.count(prefix + "#" + std::to_string(number)) != 0) ++number;
  names_[id] = prefix + "#" + std::to_string(number);
  ids_[names_[id]] = id;
}

std::string Conversation::shorten(std::string text) const {
  for (const auto& [id, name] : names_) {
    for (size_t at = text.find(id); at != std::string::npos; at = text.find(id)) {
      text.replace(at, id.size(), name);
    }
  }
  return text;
}

std::string Conversation::member_id(const std::string& name) const {
  const auto found = ids_.find(name);
  return found == ids_.end() ? name : found->second;
}

void Conversation::say(const std::string& text) {
  said_ += shorten(text) + "\n";
}

// --- what it says --------------------------------------------------------------------------------

void Conversation::say_record(const Record& record) {
  const Result<Change> change = decode(record);
  CHECK(change.has_value());
  std::string text = "  " + change->group_id + ": ";
  if (const auto* stored = std::get_if<PositionStored>(&change->what)) {
    text += to_text(stored->at) + " is at " + std::to_string(stored->position.offset.value);
  } else if (const auto* removed = std::get_if<PositionRemoved>(&change->what)) {
    text += to_text(removed->at) + " is removed";
  } else if (const auto* group = std::get_if<GroupStored>(&change->what)) {
    const GroupMetadata& metadata = group->metadata;
    text += "generation " + std::to_string(metadata.generation) + " led by " +
            metadata.leader.value_or("nobody");
    for (const MemberMetadata& member : metadata.members) {
      text += ", " + member.member_id + " has " + quoted(member.assignment);
    }
  } else {
    text += "group is removed";
  }
  say(text);
}

void Conversation::say_reply(const Reply& reply) {
  std::string text = "[" + std::to_string(reply.token.value) + "] ";
  if (const auto* joined = std::get_if<JoinGroupReply>(&reply.body)) {
    text += std::string("joined ") + to_string(joined->error);
    if (!joined->member_id.empty()) text += " member=" + joined->member_id;
    if (joined->generation >= 0) {
      text += " generation=" + std::to_string(joined->generation) + " leader=" + joined->leader +
              " protocol=" + joined->protocol_name.value_or("null");
    }
    if (joined->skip_assignment) text += " skip-assignment";
    for (const JoinedMember& member : joined->members) text += " +" + member.member_id;
  } else if (const auto* synced = std::get_if<SyncGroupReply>(&reply.body)) {
    text += std::string("synced ") + to_string(synced->error) + " " + quoted(synced->assignment);
  } else if (const auto* beat = std::get_if<HeartbeatReply>(&reply.body)) {
    text += std::string("heartbeat ") + to_string(beat->error);
  } else if (const auto* left = std::get_if<LeaveGroupReply>(&reply.body)) {
    text += std::string("left ") + to_string(left->error);
    for (const LeftMember& member : left->members) {
      text += std::string(" ") + to_string(member.error);
    }
  } else if (const auto* committed = std::get_if<OffsetCommitReply>(&reply.body)) {
    text += "committed";
    for (const PositionResult& result : committed->positions) text += " " + to_text(result);
  } else if (const auto* deleted = std::get_if<OffsetDeleteReply>(&reply.body)) {
    text += std::string("positions deleted ") + to_string(deleted->error);
    for (const PositionResult& result : deleted->positions) text += " " + to_text(result);
  } else {
    text += "groups deleted";
    for (const DeletedGroup& group : std::get<DeleteGroupsReply>(reply.body).groups) {
      text += " " + group.group_id + "=" + to_string(group.error);
    }
  }
  say(text);
}

void Conversation::show_fetch(const Command& command) {
  OffsetFetch request{command.words.at(0), std::nullopt, command.option("stable", "") == "yes"};
  if (command.words.size() > 1) request.positions.emplace();
  for (size_t i = 1; i < command.words.size(); ++i) {
    request.positions->push_back(partition_of(command.words[i]));
  }
  const OffsetFetchAnswer answer = coordinator_->fetch_positions(request);
  for (const FetchedPosition& position : answer.positions) {
    say(to_text(position.at) + " is at " + std::to_string(position.offset.value) +
        (position.error == GroupError::kNone ? "" : std::string(" ") + to_string(position.error)));
  }
}

void Conversation::show_description(const std::string& group_id) {
  const GroupDescription description = coordinator_->describe(group_id);
  say(description.state + " type='" + description.protocol_type + "' protocol='" +
      description.protocol_name + "' generation=" + std::to_string(description.generation) +
      " leader='" + description.leader + "'");
  for (const DescribedMember& member : description.members) {
    say("  " + member.member_id + " instance=" + member.instance_id.value_or("none") +
        " assignment=" + quoted(member.assignment));
  }
}

void Conversation::show_groups() {
  for (const ListedGroup& group : coordinator_->list({}).groups) {
    say(group.group_id + " type='" + group.protocol_type + "' " + group.state);
  }
}

}  // namespace magpie::group
