#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_options.h"
#include "server/config_text.h"
#include "server/salvage_folder.h"
#include "server/salvage_replay.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions show;  // only its format
  std::string data = "/var/lib/magpie";
  std::string survivor;
  std::string name;
  bool yes = false;
  std::string kafka = "127.0.0.1:9092";
  std::vector<std::string> also;
  bool into_compacted = false;
};

int refuse(const Options& options, const Error& error) {
  const bool missing = error.kind == ErrorKind::kNotFound;
  return report(options.show,
                {missing ? "not_found" : "not_readable", error.message,
                 "name the node's data directory with --data, and a tail as magpie salvage list "
                 "shows it",
                 kExitUsage});
}

json tail_json(const KeptTail& kept) {
  const salvage::Tail& tail = kept.tail;
  return {{"name", kept.name},
          {"topic", tail.topic},
          {"partition", tail.partition.value},
          {"failover_group", tail.group},
          {"epoch", tail.epoch.value},
          {"cut_in_epoch", tail.cut_in.value},
          {"from", tail.from.value},
          {"to", tail.to.value},
          {"records", tail.records},
          {"bytes", tail.bytes},
          {"cut_at_ms", tail.cut_at}};
}

void print_json(const json& shown) {
  fmt::print("{}\n", shown.dump(2, ' ', false, json::error_handler_t::replace));
}

int list(const Options& options) {
  const auto tails = list_tails(options.data);
  if (!tails) return refuse(options, tails.error());
  json shown = json::array();
  std::vector<TableRow> rows;
  for (const KeptTail& kept : *tails) {
    shown.push_back(tail_json(kept));
    rows.push_back({printable(kept.name),
                    fmt::format("{}-{}", printable(kept.tail.topic), kept.tail.partition.value),
                    fmt::format("{} to {}", kept.tail.from.value, kept.tail.to.value),
                    fmt::format("{}", kept.tail.records), time_text(kept.tail.cut_at)});
  }
  if (options.show.wants_json()) {
    print_json({{"tails", shown}});
  } else {
    fmt::print("{}", render_table({"TAIL", "PARTITION", "OFFSETS", "RECORDS", "CUT AT"}, rows));
  }
  return kExitOk;
}

int show(const Options& options) {
  const auto kept = find_tail(options.data, options.name);
  if (!kept) return refuse(options, kept.error());
  const std::string& survivor = options.survivor.empty() ? options.data : options.survivor;
  const auto fates = classify_tail(options.data, *kept, survivor);
  if (!fates) return refuse(options, fates.error());
  if (options.show.wants_json()) {
    json shown = tail_json(*kept);
    shown["present"] = fates->present;
    shown["absent"] = fates->absent;
    shown["unidentifiable"] = fates->unidentifiable;
    print_json(shown);
    return kExitOk;
  }
  const salvage::Tail& tail = kept->tail;
  fmt::print(
      "{}-{}, offsets {} to {}, written in epoch {}, cut in epoch {} at {}\n"
      "present in the surviving log: {} records\nabsent: {}\nunidentifiable: {}\n",
      printable(tail.topic), tail.partition.value, tail.from.value, tail.to.value, tail.epoch.value,
      tail.cut_in.value, time_text(tail.cut_at), fates->present, fates->absent,
      fates->unidentifiable);
  return kExitOk;
}

// "would send 3 records, …" of a plan, "sent …" of what was done.
std::string replay_text(const char* did, const Replayed& replayed) {
  return fmt::format(
      "{} {} records; {} were sent by earlier replays, {} are left alone (of another fate)", did,
      replayed.records, replayed.before, replayed.left);
}

json replay_json(const Replayed& replayed) {
  return {{"records", replayed.records}, {"before", replayed.before}, {"left", replayed.left}};
}

int replay(const Options& options) {
  const auto kept = find_tail(options.data, options.name);
  if (!kept) return refuse(options, kept.error());
  const auto kafka = parse_host_port(options.kafka);
  if (!kafka) {
    return report(options.show, {"wrong_argument", "--kafka: " + kafka.error().message,
                                 "name any broker as HOST:PORT", kExitUsage});
  }
  ReplayRequest request;
  request.data = options.data;
  request.survivor = options.survivor.empty() ? options.data : options.survivor;
  request.kafka = *kafka;
  request.into_compacted = options.into_compacted;
  for (const std::string& fate : options.also) {
    request.fates.insert(fate == "present" ? salvage::Fate::kPresent
                                           : salvage::Fate::kUnidentifiable);
  }
  const auto plan = plan_replay(*kept, request);
  if (!plan) return refuse(options, plan.error());
  if (!options.yes) {
    return report(options.show, {"not_confirmed", replay_text("would send", *plan),
                                 "if the surviving log is complete (the copy has caught up, and "
                                 "retention has taken nothing "
                                 "from it since the failover), say --yes",
                                 kExitUsage});
  }
  const auto sent = replay_tail(*kept, request);
  if (!sent) {
    return report(options.show,
                  {"not_replayed", sent.error().message,
                   "what was stored until then is remembered and not sent again; remove the cause "
                   "and repeat the command",
                   kExitUsage});
  }
  if (options.show.wants_json()) {
    print_json(replay_json(*sent));
  } else {
    fmt::print("{}\n", replay_text("sent", *sent));
  }
  return kExitOk;
}

int discard(const Options& options) {
  const auto kept = find_tail(options.data, options.name);
  if (!kept) return refuse(options, kept.error());
  if (!options.yes) {
    return report(
        options.show,
        {"not_confirmed", fmt::format("{} records would be gone for good", kept->tail.records),
         "look with magpie salvage show, then say --yes", kExitUsage});
  }
  const Status gone = discard_tail(options.data, *kept);
  if (!gone) return refuse(options, gone.error());
  fmt::print("discarded {}\n", printable(kept->name));
  return kExitOk;
}

using Run = int (*)(const Options&);

CLI::App* add(CLI::App& command, const char* name, const char* help,
              const std::shared_ptr<Options>& options, Action* chosen, Run run) {
  CLI::App* subcommand = command.add_subcommand(name, help);
  subcommand->add_option("--data", options->data, "The node's data directory")
      ->capture_default_str();
  subcommand->add_option("-o,--output", options->show.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  subcommand->callback(
      [chosen, options, run] { *chosen = [options, run] { return run(*options); }; });
  return subcommand;
}

void add_replay_options(CLI::App& command, Options& options) {
  command.add_option("--survivor", options.survivor,
                     "Data directory with the surviving log, if not the same");
  command.add_option("--kafka", options.kafka, "Any broker of the cluster, HOST:PORT")
      ->capture_default_str();
  command
      .add_option("--also", options.also,
                  "Records of this fate too, though they may then be stored twice")
      ->check(CLI::IsMember({"unidentifiable", "present"}))
      ->delimiter(',');
  command.add_flag("--into-compacted", options.into_compacted,
                   "Also if a record may then hide a newer one of its key");
  command.add_flag("--yes", options.yes, "Really");
}

}  // namespace

void add_salvage_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand(
      "salvage", "Look at records that were cut from a copy, replay or discard them");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add(*command, "list", "List the tails that a node has kept", options, chosen, list);
  CLI::App* one = add(*command, "show", "What became of a tail's records", options, chosen, show);
  one->add_option("--survivor", options->survivor,
                  "Data directory with the surviving log, if not the same");
  CLI::App* again = add(*command, "replay", "Send records that are absent to the cluster again",
                        options, chosen, replay);
  add_replay_options(*again, *options);
  CLI::App* gone = add(*command, "discard", "Remove a tail for good", options, chosen, discard);
  gone->add_flag("--yes", options->yes, "Really");
  for (CLI::App* each : {one, again, gone}) {
    each->add_option("TAIL", options->name, "Its name, from the list")->required();
  }
}

}  // namespace magpie::server
