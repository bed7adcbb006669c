#include "os/disk.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/check.h"
#include "os/disk_queue.h"

namespace magpie::os {

Result<std::unique_ptr<Disk>> Disk::open(const DiskConfig& config, FileCalls& calls) {
  Result<std::unique_ptr<FileStore>> store = FileStore::open(config.directory, calls);
  if (!store) return fail(store.error());
  const int event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_descriptor < 0) {
    return fail(ErrorKind::kLimit, std::string("cannot make an eventfd: ") + strerror(errno));
  }
  auto queue = std::make_unique<DiskQueue>(config, std::move(*store), event_descriptor);
  return std::unique_ptr<Disk>(new Disk(std::move(queue)));
}

Disk::Disk(std::unique_ptr<DiskQueue> queue) : queue_(std::move(queue)) {}

Disk::~Disk() = default;

void Disk::carry_out(port::WriteFile effect) {
  queue_->submit(std::move(effect));
}

void Disk::carry_out(port::ReadFile effect) {
  queue_->submit(std::move(effect));
}

void Disk::carry_out(port::SyncFile effect) {
  const port::FileRef file = effect.file;
  queue_->submit(file, std::move(effect));
}

void Disk::carry_out(port::TruncateFile effect) {
  const port::FileRef file = effect.file;
  queue_->submit(file, std::move(effect));
}

void Disk::carry_out(port::ReplaceFile effect) {
  const port::FileRef file = effect.file;
  queue_->submit(file, std::move(effect));
}

void Disk::carry_out(port::RemoveFile effect) {
  const port::FileRef file = effect.file;
  queue_->submit(file, std::move(effect));
}

void Disk::carry_out(port::RenameFile effect) {
  std::vector<std::string> paths = {effect.file->path, effect.to->path};
  queue_->submit(std::move(effect), std::move(paths));
}

void Disk::carry_out(port::ListFolder effect) {
  std::vector<std::string> paths = {effect.path};
  queue_->submit(std::move(effect), std::move(paths));
}

void Disk::carry_out(port::RemoveFolder effect) {
  std::vector<std::string> paths = {effect.path};
  queue_->submit(std::move(effect), std::move(paths));
}

void Disk::carry_out(port::RenameFolder effect) {
  std::vector<std::string> paths = {effect.path, effect.to};
  queue_->submit(std::move(effect), std::move(paths));
}

void Disk::collect(std::vector<port::Event>& events) {
  queue_->collect(events);
}

int Disk::descriptor() const {
  return queue_->descriptor();
}

DiskCounters Disk::counters() const {
  return queue_->counters();
}

}  // namespace magpie::os
