#include "record/codec.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/big_endian.h"
#include "base/check.h"
#include "record/growing_output.h"

namespace magpie::record {
namespace {

const char* chars(const std::byte* bytes) {
  return reinterpret_cast<const char*>(bytes);
}

tl::unexpected<Error> damaged(Codec codec) {
  return fail(ErrorKind::kCorrupt, std::string("damaged ") + to_string(codec) + " data");
}

tl::unexpected<Error> too_large(size_t bytes_max) {
  return fail(ErrorKind::kLimit,
              "batch unpacks to more than " + std::to_string(bytes_max) + " bytes");
}

// --- gzip --------------------------------------------------------------------------------------

constexpr int kGzipWindowBits = 15 + 16;  // largest window, gzip wrapper (zlib.h)

Result<Buffer> gunzip(const Buffer& input, size_t bytes_max) {
  z_stream stream = {};
  CHECK(inflateInit2(&stream, kGzipWindowBits) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  // One byte more than allowed, so that reaching the end of the room means too large.
  GrowingOutput output(input.size() * 4, bytes_max + 1);
  while (true) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(std::min<size_t>(room.size(), UINT32_MAX));
    const uInt offered = stream.avail_out;
    const int code = inflate(&stream, Z_NO_FLUSH);
    output.advance(offered - stream.avail_out);
    if (code == Z_STREAM_END && stream.avail_in == 0) break;
    if (code == Z_STREAM_END) {
      // Another gzip member follows (RFC 1952, 2.2).
      if (inflateReset(&stream) != Z_OK) return damaged(Codec::kGzip);
    } else if (code != Z_OK) {
      return damaged(Codec::kGzip);
    }
  }
  if (output.size() > bytes_max) return too_large(bytes_max);
  return output.finish();
}

Buffer gzip(const Buffer& input) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, deflateEnd);
  Buffer output = Buffer::allocate(deflateBound(&stream, input.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.mutable_bytes().data());
  stream.avail_out = static_cast<uInt>(output.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  return output.slice(0, output.size() - stream.avail_out);
}

// --- snappy ------------------------------------------------------------------------------------

// The framing of the Java library: this magic, two 4-byte version numbers, then chunks, each a
// 4-byte length and raw snappy data.
constexpr unsigned char kFramingMagic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr size_t kFramingHeaderBytes = 16;
constexpr size_t kFramingChunkBytes = 32 * 1024;
// No snappy element says more than 64 bytes in less than 3, so a larger claim is a lie.
constexpr size_t kSnappyRatioMax = 32;

Result<Buffer> unsnappy_raw(const Buffer& input, size_t bytes_max) {
  size_t length = 0;
  if (!snappy::GetUncompressedLength(chars(input.data()), input.size(), &length) ||
      length / kSnappyRatioMax > input.size()) {
    return damaged(Codec::kSnappy);
  }
  if (length > bytes_max) return too_large(bytes_max);
  Buffer output = Buffer::allocate(length);
  if (!snappy::RawUncompress(chars(input.data()), input.size(),
                             reinterpret_cast<char*>(output.mutable_bytes().data()))) {
    return damaged(Codec::kSnappy);
  }
  return output;
}

Result<Buffer> unsnappy(const Buffer& input, size_t bytes_max) {
  if (input.size() < kFramingHeaderBytes ||
      std::memcmp(input.data(), kFramingMagic, sizeof(kFramingMagic)) != 0) {
    return unsnappy_raw(input, bytes_max);
  }
  BufferChain pieces;
  size_t total = 0;
  size_t at = kFramingHeaderBytes;
  while (at < input.size()) {
    if (input.size() - at < 4) return damaged(Codec::kSnappy);
    const auto length = load_big_endian<uint32_t>(input.bytes(), at);
    at += 4;
    if (length > input.size() - at) return damaged(Codec::kSnappy);
    Result<Buffer> piece = unsnappy_raw(input.slice(at, length), bytes_max - total);
    if (!piece) return piece;
    total += piece->size();
    at += length;
    pieces.push_back(std::move(*piece));
  }
  return flatten(pieces);
}

Buffer snappy_framed(const Buffer& input) {
  const size_t chunks = input.size() / kFramingChunkBytes + 1;
  Buffer output = Buffer::allocate(kFramingHeaderBytes +
                                   chunks * (4 + snappy::MaxCompressedLength(kFramingChunkBytes)));
  const auto bytes = output.mutable_bytes();
  std::memcpy(bytes.data(), kFramingMagic, sizeof(kFramingMagic));
  store_big_endian<uint32_t>(bytes, 8, 1);   // version
  store_big_endian<uint32_t>(bytes, 12, 1);  // oldest version that can read it
  size_t out = kFramingHeaderBytes;
  for (size_t at = 0; at < input.size(); at += kFramingChunkBytes) {
    const size_t length = std::min(kFramingChunkBytes, input.size() - at);
    size_t written = 0;
    snappy::RawCompress(chars(input.data() + at), length,
                        reinterpret_cast<char*>(bytes.data() + out + 4), &written);
    store_big_endian(bytes, out, static_cast<uint32_t>(written));
    out += 4 + written;
  }
  return output.slice(0, out);
}

// --- lz4 ---------------------------------------------------------------------------------------

Result<Buffer> unlz4(const Buffer& input, size_t bytes_max) {
  LZ4F_dctx* raw = nullptr;
  CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)));
  const std::unique_ptr<LZ4F_dctx, size_t (*)(LZ4F_dctx*)> context(raw,
                                                                   LZ4F_freeDecompressionContext);
  GrowingOutput output(input.size() * 4, bytes_max + 1);
  size_t at = 0;
  size_t expected = 1;  // zero when a frame has ended
  while (at < input.size() || expected != 0) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    size_t produced = room.size();
    size_t consumed = input.size() - at;
    expected = LZ4F_decompress(context.get(), room.data(), &produced, input.data() + at, &consumed,
                               nullptr);
    if (LZ4F_isError(expected) || (produced == 0 && consumed == 0)) return damaged(Codec::kLz4);
    at += consumed;
    output.advance(produced);
  }
  if (output.size() > bytes_max) return too_large(bytes_max);
  return output.finish();
}

Buffer lz4(const Buffer& input) {
  LZ4F_preferences_t preferences = {};
  // The Java client reads independent blocks only.
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  Buffer output = Buffer::allocate(LZ4F_compressFrameBound(input.size(), &preferences));
  const size_t written = LZ4F_compressFrame(output.mutable_bytes().data(), output.size(),
                                            input.data(), input.size(), &preferences);
  CHECK(!LZ4F_isError(written));
  return output.slice(0, written);
}

// --- zstd --------------------------------------------------------------------------------------

Result<Buffer> unzstd(const Buffer& input, size_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  CHECK(context != nullptr);
  GrowingOutput output(input.size() * 4, bytes_max + 1);
  ZSTD_inBuffer in = {input.data(), input.size(), 0};
  size_t expected = 1;  // zero when a frame has ended
  while (in.pos < in.size || expected != 0) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    ZSTD_outBuffer out = {room.data(), room.size(), 0};
    const size_t before = in.pos;
    expected = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(expected) || (out.pos == 0 && in.pos == before)) return damaged(Codec::kZstd);
    output.advance(out.pos);
  }
  if (output.size() > bytes_max) return too_large(bytes_max);
  return output.finish();
}

Buffer zstd(const Buffer& input) {
  Buffer output = Buffer::allocate(ZSTD_compressBound(input.size()));
  const size_t written = ZSTD_compress(output.mutable_bytes().data(), output.size(), input.data(),
                                       input.size(), ZSTD_CLEVEL_DEFAULT);
  CHECK(!ZSTD_isError(written));
  return output.slice(0, written);
}

}  // namespace

Result<Buffer> decompress(Codec codec, const Buffer& input, size_t bytes_max) {
  switch (codec) {
    case Codec::kNone:
      if (input.size() > bytes_max) return too_large(bytes_max);
      return input;
    case Codec::kGzip:
      return gunzip(input, bytes_max);
    case Codec::kSnappy:
      return unsnappy(input, bytes_max);
    case Codec::kLz4:
      return unlz4(input, bytes_max);
    case Codec::kZstd:
      return unzstd(input, bytes_max);
  }
  return fail(ErrorKind::kUnsupported, "unknown compression codec");
}

Buffer compress(Codec codec, const Buffer& input) {
  switch (codec) {
    case Codec::kNone:
      return input;
    case Codec::kGzip:
      return gzip(input);
    case Codec::kSnappy:
      return snappy_framed(input);
    case Codec::kLz4:
      return lz4(input);
    case Codec::kZstd:
      return zstd(input);
  }
  CHECK(false);
}

}  // namespace magpie::record
