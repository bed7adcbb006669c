#include "server/dev_wan.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

namespace magpie::server {
namespace {

bool names(const std::string& what, const std::string& process) {
  return what == "all" || what == process || what == site_of(process) ||
         (what == kStoreSite && is_store(process));
}

}  // namespace

Result<std::unique_ptr<DevWan>> DevWan::open(boost::asio::io_context& context,
                                             const DevPlan& plan) {
  std::unique_ptr<DevWan> wan(new DevWan());
  for (const DevNode& from : plan.nodes) {
    for (const DevStore& store : plan.stores) {
      if (auto done = wan->add(context, plan, from.name, store.name, store.clients); !done) {
        return fail(done.error());
      }
    }
    for (const DevNode& to : plan.nodes) {
      if (to.name == from.name) continue;
      if (auto done = wan->add(context, plan, from.name, to.name, to.link); !done) {
        return fail(done.error());
      }
    }
  }
  if (plan.etcd) {
    if (auto done = wan->add_members(context, plan); !done) return fail(done.error());
  }
  return wan;
}

Status DevWan::add_members(boost::asio::io_context& context, const DevPlan& plan) {
  for (const DevStore& from : plan.stores) {
    std::map<std::string, relay::Relay*> ways;  // by address
    for (const DevStore& to : plan.stores) {
      if (to.name == from.name) continue;
      if (auto done = add(context, plan, from.name, to.name, to.peers); !done) return done;
      ways[to.address] = lanes_.at({from.name, to.name}).relay.get();
    }
    const auto find = [ways](const std::string& target) {
      const auto found = ways.find(target);
      return found == ways.end() ? nullptr : found->second;
    };
    auto& exit = exits_.emplace_back(std::make_unique<DevExit>(context, find));
    if (auto listening = exit->listen(from.exit); !listening) return listening;
  }
  return {};
}

Status DevWan::add(boost::asio::io_context& context, const DevPlan& plan, const std::string& from,
                   const std::string& to, const HostPort& target) {
  const relay::Address address{target.host, target.port};
  auto relay = std::make_unique<relay::Relay>(context, address, lanes_.size() + 1);
  if (auto listening = relay->listen({}); !listening) return listening;
  if (site_of(from) != site_of(to)) relay->set(*plan.wan, *plan.wan);
  lanes_[{from, to}].relay = std::move(relay);
  return {};
}

DevRoutes DevWan::routes_of(const DevPlan& plan, const DevNode& node) const {
  const auto lane_to = [&](const std::string& site) {
    return fmt::format("127.0.0.1:{}", lanes_.at({node.name, site}).relay->port());
  };
  DevRoutes routes;
  for (const DevStore& store : plan.stores) {
    routes.store.push_back("http://" + lane_to(store.name));
  }
  for (const DevNode& to : plan.nodes) {
    if (to.name == node.name) continue;
    routes.links.push_back(fmt::format("{}={}", host_port_text(to.link), lane_to(to.name)));
  }
  return routes;
}

Status DevWan::check_sites(const std::string& one, const std::string& other) const {
  for (const std::string& site : {one, other}) {
    bool known = site == "all" || (site.empty() && !one.empty());
    for (const auto& [ends, lane] : lanes_) {
      known = known || names(site, ends.first) || names(site, ends.second);
    }
    if (!known) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("there is no site '{}'", site));
    }
  }
  return {};
}

template <typename Visit>
void DevWan::for_each(const std::string& one, const std::string& other, Visit visit) {
  for (auto& [ends, lane] : lanes_) {
    const auto& [from, to] = ends;
    const bool meant = other.empty() ? one == "all" || names(one, from) != names(one, to)
                                     : (names(one, from) && names(other, to)) ||
                                           (names(one, to) && names(other, from));
    if (meant) visit(ends, lane);
  }
}

Status DevWan::change(const std::string& one, const std::string& other, const std::string& text) {
  if (auto good = check_sites(one, other); !good) return good;
  Status result;
  for_each(one, other, [&](const Ends& ends, Lane& lane) {
    if (site_of(ends.first) == site_of(ends.second)) return;
    relay::Conditions there = lane.relay->there();
    relay::Conditions back = lane.relay->back();
    result = change_wan(there, text);
    if (result) result = change_wan(back, text);
    if (result) lane.relay->set(there, back);
  });
  return result;
}

Status DevWan::silence(const std::string& one, const std::string& other, bool one_way) {
  if (auto good = check_sites(one, other); !good) return good;
  for_each(one, other, [&](const Ends& ends, Lane& lane) {
    relay::Conditions there = lane.relay->there();
    relay::Conditions back = lane.relay->back();
    const auto goes = [&](const std::string& from, const std::string& to) {
      return !one_way || (names(one, from) && (other.empty() || names(other, to)));
    };
    there.silent = there.silent || goes(ends.first, ends.second);
    back.silent = back.silent || goes(ends.second, ends.first);
    lane.relay->set(there, back);
  });
  return {};
}

Status DevWan::cut(const std::string& one, const std::string& other) {
  if (auto good = check_sites(one, other); !good) return good;
  for_each(one, other, [](const Ends&, Lane& lane) {
    lane.relay->cut();
    lane.cut = true;
  });
  return {};
}

Status DevWan::heal(const std::string& one, const std::string& other) {
  if (auto good = check_sites(one, other); !good) return good;
  for_each(one, other, [](const Ends&, Lane& lane) {
    relay::Conditions there = lane.relay->there();
    relay::Conditions back = lane.relay->back();
    there.silent = back.silent = false;
    lane.relay->set(there, back);
    lane.relay->open();
    lane.cut = false;
  });
  return {};
}

std::vector<DevLane> DevWan::lanes() const {
  std::vector<DevLane> list;
  for (const auto& [ends, lane] : lanes_) {
    const bool there = lane.relay->there().silent;
    const bool back = lane.relay->back().silent;
    const char* state = lane.cut        ? "cut"
                        : there && back ? "silent"
                        : there || back ? "half silent"
                                        : "open";
    list.push_back({ends.first, ends.second, {"127.0.0.1", lane.relay->port()}, state});
  }
  return list;
}

}  // namespace magpie::server
