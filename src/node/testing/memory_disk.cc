#include "node/testing/memory_disk.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace magpie::node::testing {
namespace {

Status not_found(const std::string& path) {
  return fail(ErrorKind::kNotFound, path + ": no such file");
}

template <typename T>
const std::string& path_of(const T& effect) {
  if constexpr (requires { effect.file; }) {
    return effect.file->path;
  } else {
    return effect.path;
  }
}

template <typename T>
port::DiskDone done(const T& effect, Status status = {}) {
  return {effect.then, std::move(status), {}, {}};
}

}  // namespace

void MemoryDisk::submit(const port::Effect& effect) {
  std::visit(
      [this](const auto& concrete) {
        if constexpr (port::kIsDiskEffect<std::decay_t<decltype(concrete)>>) {
          done_.push_back({path_of(concrete), carry_out(concrete)});
        } else {
          CHECK(false);
        }
      },
      effect);
}

std::optional<port::DiskDone> MemoryDisk::next_done() {
  const auto next = std::find_if(done_.begin(), done_.end(), [this](const Finished& finished) {
    return !held_ || !finished.path.starts_with(*held_);
  });
  if (next == done_.end()) return std::nullopt;
  port::DiskDone done = std::move(next->done);
  done_.erase(next);
  return done;
}

port::DiskDone MemoryDisk::carry_out(const port::WriteFile& effect) {
  if (refuses(path_of(effect))) return done(effect, fail(*write_error_));
  const Buffer bytes = flatten(effect.bytes);
  std::string& content = files_[effect.file->path];
  content.resize(std::max<size_t>(content.size(), effect.position + bytes.size()));
  content.replace(effect.position, bytes.size(), bytes.text());
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::SyncFile& effect) {
  if (refuses(path_of(effect))) return done(effect, fail(*write_error_));
  const bool exists = files_.contains(effect.file->path);
  return done(effect, exists ? Status() : not_found(effect.file->path));
}

port::DiskDone MemoryDisk::carry_out(const port::ReadFile& effect) {
  if (unreadable_ == effect.file->path) {
    return done(effect, fail(ErrorKind::kIo, effect.file->path + ": input/output error"));
  }
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, not_found(effect.file->path));
  port::DiskDone answer = done(effect);
  const std::string_view content = found->second;
  if (effect.position < content.size()) {
    answer.data = Buffer::copy_of(content.substr(effect.position, effect.length));
  }
  return answer;
}

port::DiskDone MemoryDisk::carry_out(const port::TruncateFile& effect) {
  if (refuses(path_of(effect))) return done(effect, fail(*write_error_));
  const auto found = files_.find(effect.file->path);
  if (found == files_.end()) return done(effect, not_found(effect.file->path));
  found->second.resize(effect.size);
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::ReplaceFile& effect) {
  if (refuses(path_of(effect))) return done(effect, fail(*write_error_));
  files_[effect.file->path] = flatten(effect.bytes).text();
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::RenameFile& effect) {
  auto from = files_.extract(effect.file->path);
  if (from.empty()) return done(effect, not_found(effect.file->path));
  files_[effect.to->path] = std::move(from.mapped());
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::RemoveFile& effect) {
  files_.erase(effect.file->path);
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::ListFolder& effect) {
  port::DiskDone answer = done(effect);
  const std::string prefix = effect.path.empty() ? "" : effect.path + "/";
  std::map<std::string, port::FolderEntry> entries;
  for (const auto& [path, content] : files_) {
    if (!path.starts_with(prefix)) continue;
    const std::string rest = path.substr(prefix.size());
    const std::string name = rest.substr(0, rest.find('/'));
    const bool is_folder = name.size() < rest.size();
    entries[name] = {name, is_folder, is_folder ? 0 : content.size()};
  }
  for (auto& [name, entry] : entries) answer.listing.push_back(std::move(entry));
  return answer;
}

port::DiskDone MemoryDisk::carry_out(const port::RemoveFolder& effect) {
  if (stuck_ && effect.path.starts_with(*stuck_)) {
    return done(effect, fail(ErrorKind::kIo, "cannot remove " + effect.path + ": not permitted"));
  }
  std::erase_if(files_,
                [&](const auto& entry) { return entry.first.starts_with(effect.path + "/"); });
  return done(effect);
}

port::DiskDone MemoryDisk::carry_out(const port::RenameFolder& effect) {
  if (stuck_ && (effect.path.starts_with(*stuck_) || effect.to.starts_with(*stuck_))) {
    return done(effect, fail(ErrorKind::kIo, "cannot rename " + effect.path + ": not permitted"));
  }
  const std::string prefix = effect.path + "/";
  std::map<std::string, std::string> all;
  for (auto& [path, content] : std::exchange(files_, {})) {
    const bool inside = path.starts_with(prefix);
    all[inside ? effect.to + "/" + path.substr(prefix.size()) : path] = std::move(content);
  }
  files_ = std::move(all);
  return done(effect);
}

}  // namespace magpie::node::testing
