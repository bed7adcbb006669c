// Creating and deleting the topic of a run, outside every measured window.
#pragma once

#include "base/result.h"
#include "driver/settings.h"

namespace magpie::bench {

// Creates settings.topic and returns when every partition has a leader.
// kUnavailable when that takes longer than settings.seconds.
Status create_topic(const Settings& settings);

// kNotFound when there is no such topic.
Status delete_topic(const Settings& settings);

}  // namespace magpie::bench
