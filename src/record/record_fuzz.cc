// Batch validation, unpacking and record iteration on arbitrary bytes. The checksum is repaired
// first, else nearly nothing would get past it.
#include "record/batch.h"
#include "record/builder.h"
#include "record/reader.h"
#include "record/rebuild.h"
#include "record/validate.h"

namespace magpie::record {
namespace {

constexpr size_t kUnpackedMax = 1 << 20;

void read_all(const Buffer& batch) {
  Result<RecordReader> reader = RecordReader::open(batch, kUnpackedMax);
  if (!reader) return;
  while (true) {
    const auto record = reader->next();
    if (!record || !*record) return;
    (void)read_headers(**record);
  }
}

void fuzz_one(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  Buffer batch = Buffer::copy_of(std::span(bytes, size));
  (void)validate_produced(batch);
  (void)split_batches(batch);
  if (batch.size() < kBatchHeaderBytes) return;
  BatchHeader header = parse_header(batch.bytes());
  header.magic = kMagic;
  header.length = static_cast<int32_t>(batch.size() - kBatchLengthPrefixBytes);
  store_header(batch.mutable_bytes(), header);
  header.crc = checksum_of(batch.bytes());
  store_header(batch.mutable_bytes(), header);
  (void)validate_produced(batch);
  read_all(batch);
  int seen = 0;
  const auto every_other = [&](const RecordView&) { return ++seen % 2 == 0; };
  if (size < 4'096) {
    if (const auto kept = keep_records(batch, every_other, 5)) read_all(*kept);
  }
}

}  // namespace
}  // namespace magpie::record

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  magpie::record::fuzz_one(data, size);
  return 0;
}
