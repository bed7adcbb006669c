#include "sim/campaign.h"

#include <fmt/format.h>

#include "sim/region_world.h"

namespace magpie::sim {
namespace {

constexpr std::string_view kRequiredOfRegions[] = {"answer_timeout",
                                                   "clean_stop",
                                                   "clock_jump",
                                                   "commit_of_old_generation_refused",
                                                   "configs_altered",
                                                   "connect_timed_out",
                                                   "connection_cut",
                                                   "disk_full",
                                                   "disk_lost",
                                                   "disk_restored",
                                                   "executor_killed.draining",
                                                   "executor_killed.fencing",
                                                   "executor_killed.verifying",
                                                   "failed_sync_left_pages_clean",
                                                   "failover_with_loss",
                                                   "failover_without_loss",
                                                   "kill",
                                                   "leader_isolated",
                                                   "leader_moved",
                                                   "links_broken",
                                                   "log.control.journal_torn",
                                                   "log.control.not_registered",
                                                   "log.copies_missing",
                                                   "log.copies_restored",
                                                   "log.copy_begun_anew",
                                                   "log.failover.failed",
                                                   "log.failover.moved",
                                                   "log.failover.taking_over",
                                                   "log.group_handed_over",
                                                   "log.incarnation_renewed",
                                                   "log.lease_held",
                                                   "log.lease_lost",
                                                   "log.tail_kept",
                                                   "member_joins",
                                                   "near_copy_has_trouble",
                                                   "old_directory_refused",
                                                   "only_store_away",
                                                   "out_of_order_behind_a_failure",
                                                   "partitions_added",
                                                   "path_cut_one_way",
                                                   "path_flaps",
                                                   "position_committed",
                                                   "power_loss",
                                                   "power_loss_of_weak_member",
                                                   "process_paused",
                                                   "producer_lost_patience",
                                                   "read_near",
                                                   "rebalance",
                                                   "records_deleted",
                                                   "region_cut_from_clients",
                                                   "region_cut_from_regions",
                                                   "region_cut_from_store",
                                                   "region_down",
                                                   "region_isolated",
                                                   "request_abandon",
                                                   "request_approve",
                                                   "request_begun",
                                                   "request_not_begun",
                                                   "segment_replaced_by_compaction",
                                                   "store_answer_lost",
                                                   "store_down",
                                                   "store_minority",
                                                   "store_request_late",
                                                   "store_restarted",
                                                   "store_site_down",
                                                   "switchover_abandoned",
                                                   "switchover_done",
                                                   "sync_set_changed",
                                                   "tail_in_salvage",
                                                   "temporary_topic_checked",
                                                   "topic_created_again",
                                                   "topic_purged",
                                                   "topic_restored",
                                                   "write_error",
                                                   "write_overtook_sync"};

void report(const CampaignOptions& options, const RunResult& result) {
  if (!options.say) return;
  options.say(fmt::format("seed {} broke {} at {} ms: {}", result.seed, result.violation->guarantee,
                          result.violation->when.nanos / 1'000'000, result.violation->text));
  options.say(fmt::format("  replay: magpie_sim {}--seed {} --trace   ({})",
                          options.regions ? "--regions " : "", result.seed, result.knobs));
}

RunResult run_one(const CampaignOptions& options, uint64_t seed, const Trace::Sink& sink) {
  if (options.regions) return run_region_seed({seed, sink, {}});
  return run_seed({seed, sink, {}});
}

void check_hash(const CampaignOptions& options, RunResult& result) {
  const RunResult second = run_one(options, result.seed, {});
  if (second.hash == result.hash || result.violation) return;
  result.violation =
      Violation{"determinism",
                fmt::format("two runs end with hashes {:x} and {:x}", result.hash, second.hash),
                {}};
}

}  // namespace

Campaign run_campaign(const CampaignOptions& options) {
  Campaign campaign;
  const auto goes_on = [&](uint64_t seed) {
    if (options.simulated == Duration{}) return seed <= options.last;
    return campaign.virtual_time < options.simulated;
  };
  for (uint64_t seed = options.first; goes_on(seed); ++seed) {
    RunResult result = run_one(options, seed, options.sink);
    if (options.twice) check_hash(options, result);
    ++campaign.seeds;
    campaign.virtual_time = campaign.virtual_time + result.virtual_time;
    campaign.events += result.events;
    campaign.acknowledged += result.acknowledged;
    for (const auto& [name, count] : result.probes) campaign.probes[name] += count > 0 ? 1 : 0;
    if (!result.violation) continue;
    report(options, result);
    campaign.failed.push_back(std::move(result));
    if (options.stop_at_first) break;
  }
  return campaign;
}

std::span<const std::string_view> required_probes() {
  static constexpr std::string_view kRequired[] = {"bit_flip",
                                                   "bit_flip_beside_segments",
                                                   "bit_flip_in_journal",
                                                   "clean_stop",
                                                   "clock_jump",
                                                   "commit_fenced",
                                                   "commit_of_old_generation_refused",
                                                   "configs_altered",
                                                   "connection_cut",
                                                   "disk_full",
                                                   "failed_sync_left_pages_clean",
                                                   "kill",
                                                   "log.control.start_delayed",
                                                   "log.groups_delayed",
                                                   "log.groups_loaded",
                                                   "log.partition_offline",
                                                   "log.partition_online",
                                                   "log.storage_failed",
                                                   "log.storage_recovered",
                                                   "log.torn_tail_cut",
                                                   "member_fell_silent",
                                                   "member_left",
                                                   "misdirected_sector",
                                                   "node_stopped_reading",
                                                   "out_of_order_behind_a_failure",
                                                   "partition_files_missing",
                                                   "partitions_added",
                                                   "position_committed",
                                                   "power_loss",
                                                   "produce_refused",
                                                   "produce_sent_again",
                                                   "producer_began_anew",
                                                   "read_error",
                                                   "producer_lost_patience",
                                                   "reader_out_of_range",
                                                   "rebalance",
                                                   "rebalance_with_static_member",
                                                   "records_deleted",
                                                   "slow_reader",
                                                   "segment_replaced_by_compaction",
                                                   "temporary_topic_used",
                                                   "tombstone_expired",
                                                   "topic_created",
                                                   "topic_created_again",
                                                   "topic_deleted",
                                                   "two_step_join",
                                                   "unsynced_sectors_in_power_loss",
                                                   "weak_fsync_lost_a_suffix",
                                                   "write_error",
                                                   "write_overtook_sync"};
  return kRequired;
}

std::span<const std::string_view> required_region_probes() {
  return kRequiredOfRegions;
}

std::string describe(const Campaign& campaign, double real_seconds) {  // measurement only
  std::string text = "probes, in how many seeds each fired:\n";
  for (const auto& [name, seeds] : campaign.probes) {
    text += fmt::format("  {:<36} {}\n", name, seeds);
  }
  // measurement only
  const double virtual_seconds = static_cast<double>(campaign.virtual_time.nanos) / 1e9;
  text += fmt::format(
      "{} seeds, {} failed, {:.2f} simulated hours in {:.1f} s ({:.0f} simulated seconds per "
      "second), {} events, {} records acknowledged\n",
      campaign.seeds, campaign.failed.size(), virtual_seconds / 3'600, real_seconds,
      virtual_seconds / real_seconds, campaign.events, campaign.acknowledged);
  return text;
}

}  // namespace magpie::sim
