// The page that replays a recording: one HTML file that needs nothing else, not even a network.
#ifndef GCHEAP_DEMO_WATCH_REPLAY_HPP
#define GCHEAP_DEMO_WATCH_REPLAY_HPP

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace gcheap::demo {

// `about` says what ran and where: "program", "kernel" and "page_bytes". `runs` are recording::runs().
std::string replay_page(const nlohmann::json& about, const nlohmann::json& runs);

}  // namespace gcheap::demo

#endif
