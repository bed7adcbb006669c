// The messages between nodes, in frames.
//
// A frame is Kafka's: a four-byte size, then its bytes. Those begin with the kind and the version
// of the message, two bytes each; the rest is the message as described in schema/link_*.schema.
// docs/formats/link.md shows them byte by byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "wire/link_accept.h"
#include "wire/link_accept_answer.h"
#include "wire/link_batches.h"
#include "wire/link_begin.h"
#include "wire/link_end.h"
#include "wire/link_follow.h"
#include "wire/link_follow_answer.h"
#include "wire/link_hello.h"
#include "wire/link_inspect.h"
#include "wire/link_inspect_answer.h"
#include "wire/link_packed.h"
#include "wire/link_piece.h"
#include "wire/link_ping.h"
#include "wire/link_progress.h"
#include "wire/link_promise.h"
#include "wire/link_promise_answer.h"

namespace magpie::link {

// What this build speaks. A version is of the link as a whole, not of single messages.
inline constexpr int16_t kLowestVersion = 0;
inline constexpr int16_t kHighestVersion = 0;

// The kind of a message is its place here plus one; new kinds are added at the end.
using Message =
    std::variant<wire::LinkHello, wire::LinkPing, wire::LinkFollow, wire::LinkFollowAnswer,
                 wire::LinkBegin, wire::LinkBatches, wire::LinkProgress, wire::LinkEnd,
                 wire::LinkPromise, wire::LinkPromiseAnswer, wire::LinkAccept,
                 wire::LinkAcceptAnswer, wire::LinkInspect, wire::LinkInspectAnswer,
                 wire::LinkPiece, wire::LinkPacked>;

// The size that a frame begins with.
inline constexpr size_t kFrameSizeBytes = 4;

// Bytes of a message in one frame; longer ones go in pieces.
inline constexpr size_t kPieceBytes = 64 * 1024;

// The whole frame with its size prefix. Batches are linked, not copied.
BufferChain encode_frame(const Message& message, int16_t version);

// The same as several frames of kPieceBytes and a few more each, if it is longer than that.
std::vector<BufferChain> encode_frames(const Message& message, int16_t version);

// `frame` is without its size prefix. A hello is read in whatever version it says; other messages
// must have `version`. kUnsupported: an unknown kind or version; kCorrupt: malformed.
Result<Message> decode_frame(const Buffer& frame, int16_t version);

// Of the other node, as far as it is known, and the versions it speaks: kUnsupported, if this build
// speaks none of them.
Status check_versions(std::string_view who, int16_t lowest, int16_t highest);

}  // namespace magpie::link
