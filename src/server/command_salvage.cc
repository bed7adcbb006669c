#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_options.h"
#include "server/salvage_folder.h"
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

}  // namespace

void add_salvage_command(CLI::App& app, Action* chosen) {
  CLI::App* command =
      app.add_subcommand("salvage", "Look at records that were cut from a copy, and discard them");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add(*command, "list", "List the tails that a node has kept", options, chosen, list);
  CLI::App* one = add(*command, "show", "What became of a tail's records", options, chosen, show);
  one->add_option("--survivor", options->survivor,
                  "Data directory with the surviving log, if not the same");
  CLI::App* gone = add(*command, "discard", "Remove a tail for good", options, chosen, discard);
  gone->add_flag("--yes", options->yes, "Really");
  for (CLI::App* each : {one, gone}) {
    each->add_option("TAIL", options->name, "Its name, from the list")->required();
  }
}

}  // namespace magpie::server
