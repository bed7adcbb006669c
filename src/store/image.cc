#include "store/image.h"

namespace magpie::store {
namespace {

struct Apply {
  Image& image;

  void operator()(const KeyPut& change) const { image.kvs[change.kv.key] = change.kv; }
  void operator()(const KeyDeleted& change) const { image.kvs.erase(change.key); }
  void operator()(const RevisionReached& change) const { image.revision = change.revision; }
  void operator()(const LeaseAdded& change) const { image.leases[change.id] = change.ttl; }
  void operator()(const LeaseEnded& change) const { image.leases.erase(change.id); }
};

}  // namespace

void Image::apply(const ImageChanges& changes) {
  for (const ImageChange& change : changes) std::visit(Apply{*this}, change);
}

}  // namespace magpie::store
