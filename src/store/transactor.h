// Commits transactions, each exactly once or not at all, and always knows which.
//
// The problem: when no answer comes, a transaction may have been carried out, or be still on its
// way, and be carried out later. Sending it again must not do it twice, and "it failed" must stay
// true whatever copy of it arrives when.
//
// The idea: two keys of this writer in the store, `applied` and `refused`. Every transaction
// compares that both are as its writer last knew them; on success it also puts its token into
// `applied`, on failure it puts its token into `refused` and reads both. So the first copy that
// arrives changes one of the two keys, and no later copy can be applied any more. A copy may be
// sent again at any time, and its answer tells what became of the first:
//
//   succeeded                           committed now
//   `applied` holds the token           committed earlier, at that key's revision
//   both keys were as compared          a compare of the transaction failed; final
//   `refused` was changed               not applied: some copy came before. As this one can never
//                                       be applied, the transaction is made anew with a new token
//   `applied` changed otherwise         somebody else writes under our name
//
// Since a copy is harmless, no answer is waited for much longer than answers usually take, if the
// store has other endpoints: an etcd whose leader has just died loses what its members pass on to
// it, and answers nothing, though they elect another one long before a request times out.
//
// Transactions are committed one at a time, in the order they were submitted. Before the first one,
// an empty one takes the two keys over, which stops all that an earlier run of this writer may
// still have on its way.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "store/client_part.h"

namespace magpie::store {

// A key is put, with a lease or without, or deleted.
struct StateChange {
  std::string key;
  std::optional<std::string> value;  // none: deleted
  LeaseId lease = 0;

  bool operator==(const StateChange&) const = default;
};

// All changes are made, at one revision, if all compares hold; otherwise none. Keys are without the
// client's prefix; none may be changed twice.
struct StateTransaction {
  std::vector<Compare> compares;
  std::vector<StateChange> changes;
};

struct TransactorConfig {
  std::string state_prefix;   // of the keys of transactions
  std::string writer_prefix;  // of the two keys of this writer; empty: commits nothing
  // Transactions that wait at once; one more is refused with kLimit.
  size_t waiting_max = 1000;
  // Compares, and changes, of one transaction; etcd allows 128 with the two of ours.
  size_t operations_max = 120;
  // Keys and values of one transaction; etcd allows 1.5 MiB with their base64 and names.
  size_t transaction_bytes_max = size_t{1024} * 1024;
};

class Transactor {
 public:
  Transactor(TransactorConfig config, Random random);

  // TransactionDone tells; at once if the transaction is refused.
  void submit(uint64_t ticket, StateTransaction transaction, const ClientContext& context);

  // True once the writer's keys are taken over, or if there is no writer: what an earlier run may
  // still have had on its way is now in the state or will never be.
  bool ready() const { return phase_ == Phase::kReady || config_.writer_prefix.empty(); }

  void pump(const ClientContext& context);
  // False if the call is not this part's.
  bool on_reply(const ClientContext& context, port::HttpCallId call, const Reply& reply);
  // Settles everything: what was sent as unknown, what was not as refused.
  void give_up(const Error& error, ClientOutput& out);

  size_t waiting() const { return waiting_.size(); }

 private:
  enum class Phase { kReading, kTaking, kReady, kReplaced };
  struct Pending {
    uint64_t ticket = 0;
    StateTransaction transaction;
    bool sent = false;
  };

  std::string applied_key() const { return config_.writer_prefix + "applied"; }
  std::string refused_key() const { return config_.writer_prefix + "refused"; }
  std::optional<Error> problem_of(const StateTransaction& transaction) const;
  void new_token();
  TxnRequest build(const StateTransaction& transaction) const;

  Duration patience(const ClientContext& context) const;

  void on_keys_read(const ClientContext& context, const RangeResponse& response);
  void on_transaction_reply(const ClientContext& context, const Reply& reply);
  void on_refusal(const ClientContext& context, const StoreError& error);
  void on_not_carried_out(const ClientContext& context, const TxnResponse& response);
  void committed(const ClientContext& context, Revision revision);
  void settle(Outcome outcome, Revision revision, std::optional<Error> error, ClientOutput& out);
  void replaced(const ClientContext& context);

  TransactorConfig config_;
  Random random_;
  Phase phase_ = Phase::kReading;
  std::optional<port::HttpCallId> call_;
  std::deque<Pending> waiting_;  // the first one is under way once `sent`

  Revision applied_ = 0;  // when the two keys were last changed; 0: they do not exist
  Revision refused_ = 0;
  std::string token_;      // of the transaction under way; empty: none
  uint32_t attempts_ = 0;  // with this token
  // What answers to transactions take: the slowest one, less and less of it with every other.
  // None came: 0.
  Duration usual_;
};

}  // namespace magpie::store
