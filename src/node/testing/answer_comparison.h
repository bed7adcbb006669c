// How an answer of this node differs from the one another broker gave to the same request.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/testing/message_fields.h"

namespace magpie::node::testing {

// Whether fields of this name hold texts that a broker makes up and clients give back to it.
bool is_given_out(const std::string& field_name);

// Whether the whole answer says that the broker is not ready, so that the client comes again.
bool says_not_ready(const std::vector<Field>& answer);

// One line per field that differs and should not; empty if there is none. What may differ, and why,
// is listed in answer_comparison.cc.
std::string differences(int16_t api_key, const std::vector<Field>& recorded,
                        const std::vector<Field>& ours);

}  // namespace magpie::node::testing
