// The settings of section `cluster`.
#include "server/config_cluster.h"
#include "server/config_field_kinds.h"

namespace magpie::server {
namespace {

using Config = ServerConfig;

Status check_route(std::string_view text) {
  const auto parsed = parse_route(text);
  if (!parsed) return fail(parsed.error());
  return {};
}

Status check_limit(std::string_view text) {
  const auto parsed = parse_link_limit(text);
  if (!parsed) return fail(parsed.error());
  return {};
}

void add_store_fields(std::vector<ConfigField>& fields) {
  fields.push_back(list(
      "cluster.store.endpoints",
      "URLs of the control store: all members of an etcd, or one `magpie store`. Setting them "
      "makes\n"
      "the node one of several.",
      check_endpoint, [](Config & c) -> auto& { return c.cluster.store.endpoints; }));
  fields.push_back(optional_text(
      "cluster.store.user", "Where the store asks who is there.",
      [](Config & c) -> auto& { return c.cluster.store.user; }));
  fields.push_back(optional_text(
      "cluster.store.password_file", "Its first line is the password of cluster.store.user.",
      [](Config & c) -> auto& { return c.cluster.store.password_file; }));
  fields.push_back(optional_text(
      "cluster.store.tls.authority_file",
      "For https: who issued the store's certificates, PEM. Empty: the system's authorities.",
      [](Config & c) -> auto& { return c.cluster.store.tls.authority_file; }));
  fields.push_back(optional_text(
      "cluster.store.tls.certificate_file",
      "For https: what the node shows, PEM. Empty: nothing, which many stores accept.",
      [](Config & c) -> auto& { return c.cluster.store.tls.certificate_file; }));
  fields.push_back(optional_text(
      "cluster.store.tls.key_file", "Its key, PEM.",
      [](Config & c) -> auto& { return c.cluster.store.tls.key_file; }));
}

void add_link_fields(std::vector<ConfigField>& fields) {
  fields.push_back(address(
      "cluster.link.listen", "Where the node is reached by other nodes.",
      [](Config & c) -> auto& { return c.cluster.link.listen; }));
  fields.push_back(optional_address(
      "cluster.link.advertised", "What other nodes connect to, if it differs.",
      [](Config & c) -> auto& { return c.cluster.link.advertised; }));
  fields.push_back(optional_text(
      "cluster.link.certificate_file",
      "Who the node is, PEM: the subject's common name is node-ID.CLUSTER, such as node-3.magpie.\n"
      "These three together encrypt the links; both sides show certificates.",
      [](Config & c) -> auto& { return c.cluster.link.tls.certificate_file; }));
  fields.push_back(optional_text(
      "cluster.link.key_file", "Its key, PEM.",
      [](Config & c) -> auto& { return c.cluster.link.tls.key_file; }));
  fields.push_back(optional_text(
      "cluster.link.authority_file", "Who issued the certificates of all nodes, PEM.",
      [](Config & c) -> auto& { return c.cluster.link.tls.authority_file; }));
  fields.push_back(yes_or_no(
      "cluster.link.insecure", "Must be true to listen beyond loopback without certificates.",
      [](Config & c) -> auto& { return c.cluster.link.insecure; }));
  fields.push_back(yes_or_no(
      "cluster.link.compress",
      "Batches that producers did not compress are compressed on their way to other nodes, with\n"
      "zstd, where it pays. It costs processor time on both sides.",
      [](Config & c) -> auto& { return c.cluster.link.compress; }));
  fields.push_back(list(
      "cluster.link.routes",
      "Nodes that this one reaches elsewhere than they advertise: ADVERTISED=REAL, both HOST:PORT.",
      check_route, [](Config & c) -> auto& { return c.cluster.link.routes; }));
  fields.push_back(list(
      "cluster.link.limits",
      "Records that are sent to each node of a region, in bytes per second: REGION=SIZE; \"*\" is\n"
      "any other region.",
      check_limit, [](Config & c) -> auto& { return c.cluster.link.limits; }));
  fields.push_back(list(
      "cluster.link.catch_up_limits",
      "How much of that may be for copies that catch up from far, such as those of a new region.",
      check_limit, [](Config & c) -> auto& { return c.cluster.link.catch_up_limits; }));
}

}  // namespace

void add_cluster_fields(std::vector<ConfigField>& fields) {
  fields.push_back(word<control::RegionRole>(
      "cluster.role", "data, or witness: a site that holds no records, only observes and votes.",
      {{"data", control::RegionRole::kData}, {"witness", control::RegionRole::kWitness}},
      [](Config & c) -> auto& { return c.cluster.role; }));
  fields.push_back(duration(
      "cluster.lease",
      "How long the store waits for a silent node before another may lead in its place.",
      Duration::seconds(2), Duration::seconds(600),
      [](Config & c) -> auto& { return c.cluster.lease; }));
  fields.push_back(optional_text(
      "cluster.signing_key_file", "What certificates of switchovers and failovers are signed with.",
      [](Config & c) -> auto& { return c.cluster.signing_key_file; }));
  add_store_fields(fields);
  add_link_fields(fields);
}

}  // namespace magpie::server
