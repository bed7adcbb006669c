#include "control/directory_opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

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

tl::unexpected<Error> missing(std::string_view path, std::string_view evidence) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("{} is missing, but {}: this is not a new data directory. Nothing was "
                          "changed on disk. Restore the file from a backup, or move the directory "
                          "away to start empty",
                          path, evidence));
}

}  // namespace

DirectoryOpening::DirectoryOpening(const DirectoryConfig& config, Journal& journal, Random& random)
    : config_(config), journal_(journal), random_(random) {
  CHECK(config_.identity_file != nullptr && config_.identity_file->path == kIdentityPath);
  CHECK(config_.journal_file->path == kJournalPath);
}

void DirectoryOpening::begin(port::Effects& effects) {
  identity_.reset();
  recovered_ = {};
  created_ = renewed_ = false;
  age_ = 0;
  effects.add(port::ListFolder{"", completion(kListRoot)});
}

DirectoryOpening::Ended DirectoryOpening::step(const port::DiskDone& done, port::Effects& effects) {
  const auto step = static_cast<Step>(done.then.kind);
  if (step == kJournalWritten) return on_journal_written(done, effects);
  if (!done.status) return fail(done.status.error());
  switch (step) {
    case kListRoot:
      return on_root_listed(done, effects);
    case kListControl:
      return on_control_listed(done, effects);
    case kReadIdentity:
      return on_identity_read(done, effects);
    case kReadJournal:
      return on_journal_read(done, effects);
    case kReadAge:
      return on_age_read(done, effects);
    case kReadUnsynced:
      return on_unsynced_read(done, effects);
    case kWriteIdentity:
      return on_identity_written(effects);
    case kRemoveUnsynced:
      return opened();
    case kJournalWritten:
    case kAgeWritten:
      break;
  }
  CHECK(false);
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::on_root_listed(const port::DiskDone& done,
                                                         port::Effects& effects) {
  identity_size_ = file_size(done.listing, kIdentityPath);
  for (const port::FolderEntry& entry : done.listing) {
    const auto& folders = config_.data_folders;
    const bool holds_records =
        entry.is_folder && std::find(folders.begin(), folders.end(), entry.name) != folders.end();
    if (!identity_size_ && holds_records) {
      return missing(kIdentityPath, fmt::format("there is a folder {}", entry.name));
    }
  }
  effects.add(port::ListFolder{std::string(kControlFolder), completion(kListControl)});
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::on_control_listed(const port::DiskDone& done,
                                                            port::Effects& effects) {
  journal_size_ = file_size(done.listing, name_in_folder(kJournalPath));
  age_size_ = file_size(done.listing, name_in_folder(kDirectoryAgePath));
  unsynced_size_ = file_size(done.listing, name_in_folder(kUnsyncedPath));
  if (identity_size_ && !journal_size_) {
    return missing(kJournalPath, fmt::format("there is {}", kIdentityPath));
  }
  if (identity_size_) {
    read(config_.identity_file, *identity_size_, kReadIdentity, effects);
    return std::nullopt;
  }
  created_ = true;
  // The journal comes first, the identity last.
  if (journal_size_) {
    read(config_.journal_file, *journal_size_, kReadJournal, effects);
  } else {
    journal_.rewrite(recovered_.state, effects);
  }
  return std::nullopt;
}

void DirectoryOpening::read(const port::FileRef& file, uint64_t size, Step step,
                            port::Effects& effects) {
  effects.add(port::ReadFile{file, 0, size, completion(step)});
}

DirectoryOpening::Ended DirectoryOpening::on_identity_read(const port::DiskDone& done,
                                                           port::Effects& effects) {
  auto identity = decode_identity(kIdentityPath, done.data.text());
  if (!identity) return fail(identity.error());
  auto status = check_identity(kIdentityPath, *identity, config_.cluster_id, config_.node_id);
  if (!status) return fail(status.error());
  identity_ = std::move(*identity);
  read(config_.journal_file, *journal_size_, kReadJournal, effects);
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::on_journal_read(const port::DiskDone& done,
                                                          port::Effects& effects) {
  auto recovered = recover_journal(kJournalPath, done.data, config_.cluster_id);
  if (!recovered) return fail(recovered.error());
  if (!identity_ && recovered->state.revision() > 0) {
    return missing(kIdentityPath, fmt::format("{} has records", kJournalPath));
  }
  if (recovered->torn_bytes > 0) {
    effects.add(port::LogLine{
        port::Severity::kWarning, "control.journal_torn",
        fmt::format("{}: the last {} bytes, from byte {}, are the beginning of a change that was "
                    "being written when the node or the machine stopped. It was never "
                    "acknowledged; the bytes are dropped",
                    kJournalPath, recovered->torn_bytes, recovered->valid_bytes)});
  }
  journal_.adopt(*recovered);
  recovered_ = std::move(*recovered);
  if (!identity_) return create_identity(effects);
  if (!age_size_ || config_.age_file == nullptr) return look_for_unsynced(effects);
  read(config_.age_file, *age_size_, kReadAge, effects);
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::on_age_read(const port::DiskDone& done,
                                                      port::Effects& effects) {
  const auto age = decode_age_file(kDirectoryAgePath, done.data.text());
  if (!age) return fail(age.error());
  age_ = *age;
  return look_for_unsynced(effects);
}

DirectoryOpening::Ended DirectoryOpening::look_for_unsynced(port::Effects& effects) {
  if (!unsynced_size_ || !config_.unsynced) return opened();
  read(config_.unsynced->file, *unsynced_size_, kReadUnsynced, effects);
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::on_unsynced_read(const port::DiskDone& done,
                                                           port::Effects& effects) {
  const std::string& run = config_.unsynced->machine_run;
  if (!run.empty() && done.data.text() == run + "\n") return opened();
  if (planted(PlantedBug::kPowerLossForgotten)) return opened();
  return renew_identity(effects);
}

DirectoryOpening::Ended DirectoryOpening::on_journal_written(const port::DiskDone& done,
                                                             port::Effects& effects) {
  if (const Status status = journal_.finish(done); !status) return fail(status.error());
  return create_identity(effects);
}

DirectoryOpening::Ended DirectoryOpening::on_identity_written(port::Effects& effects) {
  // If nobody can say that the machine was started since, what was found may not be on its disk.
  if (!renewed_ || config_.unsynced->machine_run.empty()) return opened();
  effects.add(port::RemoveFile{config_.unsynced->file, completion(kRemoveUnsynced)});
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::create_identity(port::Effects& effects) {
  identity_ = Identity{config_.cluster_id, config_.node_id, Uuid::random(random_), std::nullopt};
  effects.add(port::ReplaceFile{config_.identity_file,
                                {Buffer::copy_of(encode_identity(*identity_))},
                                completion(kWriteIdentity)});
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::renew_identity(port::Effects& effects) {
  identity_->directory = identity_->first();
  identity_->incarnation = Uuid::random(random_);
  renewed_ = true;
  effects.add(port::LogLine{
      port::Severity::kWarning, "incarnation_renewed",
      fmt::format("the machine was restarted while the node ran, and storage.fsync was not always: "
                  "records that this node said it holds may be gone. It keeps its files and counts "
                  "as another member from now on, {}; a failover group that it led needs a "
                  "failover",
                  to_string(identity_->incarnation))});
  effects.add(port::ReplaceFile{config_.identity_file,
                                {Buffer::copy_of(encode_identity(*identity_))},
                                completion(kWriteIdentity)});
  return std::nullopt;
}

DirectoryOpening::Ended DirectoryOpening::opened() {
  return OpenedDirectory{*identity_, std::move(recovered_.state), recovered_.store_id, created_,
                         age_};
}

bool is_temporary(ErrorKind kind) {
  return kind == ErrorKind::kIo || kind == ErrorKind::kNoSpace || kind == ErrorKind::kLimit;
}

}  // namespace magpie::control
