// Batches that producers did not compress, compressed for the way over the WAN.
//
// A message is packed as a whole (LinkPacked), so what it holds stays opaque: the batches that come
// out are the ones that went in, byte for byte. It is done only where it can pay: the message is
// not small, most of its bytes are batches without a codec, and it comes out clearly shorter.
//
// It costs processor time on the event loop of both nodes, so it is for lines that are dearer than
// that (cluster.link.compress). Credit is of batches as they are stored; what is counted by
// failover group is both (group_bytes.h).
#pragma once

#include <optional>

#include "link/message.h"

namespace magpie::link {

// The packed form; nothing if the message should go as it is.
std::optional<wire::LinkPacked> pack(const Message& message, int16_t version);

// The message inside. Errors as of decode_frame(); kInvalidArgument: it holds what is never packed;
// kLimit: more than `bytes_max` come out.
Result<Message> unpack(const wire::LinkPacked& packed, int16_t version, size_t bytes_max);

}  // namespace magpie::link
