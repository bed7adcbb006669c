// How a controller starts: what the data directory holds, whose it is, and the new epoch.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "control/controller.h"
#include "control/counters.h"

namespace magpie::control {
namespace {

std::optional<uint64_t> file_size(const std::vector<port::FolderEntry>& listing,
                                  std::string_view name) {
  for (const port::FolderEntry& entry : listing) {
    if (entry.name == name && !entry.is_folder) return entry.size;
  }
  return std::nullopt;
}

std::string_view name_in_folder(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

// Whether trying again can help.
bool is_temporary(ErrorKind kind) {
  return kind == ErrorKind::kIo || kind == ErrorKind::kNoSpace || kind == ErrorKind::kLimit;
}

Error missing(std::string_view path, std::string_view evidence) {
  return Error{ErrorKind::kCorrupt,
               fmt::format("{} is missing, but {}: this is not a new data directory. Nothing was "
                           "changed on disk. Restore the file from a backup, or move the directory "
                           "away to start empty",
                           path, evidence)};
}

}  // namespace

Controller::Controller(ControllerConfig config, Random random)
    : config_(std::move(config)),
      random_(random),
      journal_(config_.journal_file, config_.cluster_id, completion(kJournalWritten)) {
  CHECK(config_.identity_file != nullptr && config_.identity_file->path == kIdentityPath);
  CHECK(config_.journal_file->path == kJournalPath);
}

void Controller::start(ControllerOutput& out) {
  CHECK(phase_ == Phase::kStarting && !identity_);
  if (auto problem = cluster_id_problem(config_.cluster_id)) {
    return fail_start(Error{ErrorKind::kInvalidArgument, std::move(*problem)}, out);
  }
  look_around(out);
}

void Controller::look_around(ControllerOutput& out) {
  identity_.reset();
  created_ = false;
  out.effects.add(port::ListFolder{"", completion(kListRoot)});
}

void Controller::step(const Now& now, const port::DiskDone& done, ControllerOutput& out) {
  const auto step = static_cast<Step>(done.then.kind);
  if (step == kJournalWritten) return on_journal_written(now, done, out);
  if (!done.status) return start_refused(now, done.status.error(), out);
  switch (step) {
    case kListRoot:
      return on_root_listed(done, out);
    case kListControl:
      return on_control_listed(done, out);
    case kReadIdentity:
      return on_identity_read(done, out);
    case kReadJournal:
      return on_journal_read(done, out);
    case kCreateIdentity:
      return take_leadership(out);
    case kJournalWritten:
      break;
  }
  CHECK(false);
}

void Controller::on_root_listed(const port::DiskDone& done, ControllerOutput& out) {
  identity_size_ = file_size(done.listing, kIdentityPath);
  for (const port::FolderEntry& entry : done.listing) {
    const auto& folders = config_.data_folders;
    const bool holds_records =
        entry.is_folder && std::find(folders.begin(), folders.end(), entry.name) != folders.end();
    if (!identity_size_ && holds_records) {
      return fail_start(missing(kIdentityPath, fmt::format("there is a folder {}", entry.name)),
                        out);
    }
  }
  out.effects.add(port::ListFolder{std::string(kControlFolder), completion(kListControl)});
}

void Controller::on_control_listed(const port::DiskDone& done, ControllerOutput& out) {
  journal_size_ = file_size(done.listing, name_in_folder(kJournalPath));
  if (identity_size_ && !journal_size_) {
    return fail_start(missing(kJournalPath, fmt::format("there is {}", kIdentityPath)), out);
  }
  if (identity_size_) return read(config_.identity_file, *identity_size_, kReadIdentity, out);
  created_ = true;
  // The journal comes first, the identity last: a start that was interrupted in between left a
  // journal without a single record.
  if (journal_size_) return read(config_.journal_file, *journal_size_, kReadJournal, out);
  journal_.rewrite(state_, out.effects);
}

void Controller::read(const port::FileRef& file, uint64_t size, Step step, ControllerOutput& out) {
  out.effects.add(port::ReadFile{file, 0, size, completion(step)});
}

void Controller::on_identity_read(const port::DiskDone& done, ControllerOutput& out) {
  auto identity = decode_identity(kIdentityPath, done.data.text());
  if (!identity) return fail_start(std::move(identity.error()), out);
  auto status = check_identity(kIdentityPath, *identity, config_.cluster_id, config_.node_id);
  if (!status) return fail_start(std::move(status.error()), out);
  identity_ = std::move(*identity);
  read(config_.journal_file, *journal_size_, kReadJournal, out);
}

void Controller::on_journal_read(const port::DiskDone& done, ControllerOutput& out) {
  auto recovered = recover_journal(kJournalPath, done.data, config_.cluster_id);
  if (!recovered) return fail_start(std::move(recovered.error()), out);
  if (!identity_ && recovered->state.revision() > 0) {
    return fail_start(missing(kIdentityPath, fmt::format("{} has records", kJournalPath)), out);
  }
  if (recovered->torn_bytes > 0) {
    out.effects.add(port::LogLine{
        port::Severity::kWarning, "control.journal_torn",
        fmt::format("{}: the last {} bytes, from byte {}, are the beginning of a change that was "
                    "being written when the node or the machine stopped. It was never "
                    "acknowledged; the bytes are dropped",
                    kJournalPath, recovered->torn_bytes, recovered->valid_bytes)});
  }
  journal_.adopt(*recovered);
  state_ = std::move(recovered->state);
  if (!identity_) return create_identity(out);
  take_leadership(out);
}

void Controller::create_identity(ControllerOutput& out) {
  identity_ = Identity{config_.cluster_id, config_.node_id, Uuid::random(random_)};
  out.effects.add(port::ReplaceFile{config_.identity_file,
                                    {Buffer::copy_of(encode_identity(*identity_))},
                                    completion(kCreateIdentity)});
}

void Controller::take_leadership(ControllerOutput& out) {
  phase_ = Phase::kTakingLeadership;
  if (planted(PlantedBug::kEpochReused) && state_.leadership().epoch != kNoLeaderEpoch) {
    phase_ = Phase::kReady;
    out.events.push_back(Ready{*identity_, state_.leadership(), created_});
    return advance(out);
  }
  auto decided = decide_leadership(state_, config_.node_id);
  if (!decided) {
    return fail_start(Error{ErrorKind::kLimit, std::move(decided.error().message)}, out);
  }
  commit(std::nullopt, std::move(decided->transaction), out);
}

// The disk, not the data, is in the way: everything is looked at anew, a while later.
void Controller::start_refused(const Now& now, const Error& error, ControllerOutput& out) {
  if (!is_temporary(error.kind)) return fail_start(error, out);
  if (!storage_error_) {
    out.effects.add(port::LogLine{
        port::Severity::kError, "control.start_delayed",
        fmt::format("the cluster state cannot be read or begun: {}. The node serves nobody until "
                    "it can; trying again every {} s",
                    error.message, config_.retry_interval.to_milliseconds() / 1'000)});
  }
  storage_error_ = error;
  retry_at_ = now.instant + config_.retry_interval;
}

void Controller::fail_start(Error error, ControllerOutput& out) {
  CHECK(phase_ != Phase::kReady);
  phase_ = Phase::kFailed;
  out.events.push_back(StartFailed{std::move(error)});
  stop(out);
}

}  // namespace magpie::control
