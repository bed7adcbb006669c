// Operations as a person reads them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace magpie::server {

// One operation with its groups, losses and timeline.
std::string show_operation(const nlohmann::json& operation);
std::string show_operations(const nlohmann::json& answer);
// What one would do, and what speaks against it.
std::string show_preview(const nlohmann::json& preview);

// "unknown: at least 3, at most 120 records": a statement or an estimate.
std::string loss_text(const std::string& statement, const nlohmann::json& loss);

// What is new in `now` since `before` (null at first): events of the timeline and reasons to wait,
// one line each.
std::string show_progress(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace magpie::server
