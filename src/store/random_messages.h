// Random messages for tests of the codec.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "store/codec.h"
#include "store/messages.h"

namespace magpie::store {

class RandomMessages {
 public:
  explicit RandomMessages(uint64_t seed) : random_(seed) {}

  // Any byte may be in it; empty now and then.
  std::string bytes() {
    std::string result(random_.below(6), '\0');
    for (char& c : result) c = static_cast<char>(random_.below(256));
    return result;
  }
  std::string text() { return std::string(random_.below(4), static_cast<char>('a' + number(25))); }
  int64_t number(int64_t max = INT64_MAX) {
    return random_.chance(1, 4) ? 0 : random_.between(0, max);
  }
  bool flag() { return random_.chance(1, 2); }

  ResponseHeader header() { return {random_.next(), random_.next(), number(), random_.below(100)}; }
  KeyValue key_value() { return {bytes(), bytes(), number(), number(), number(), number()}; }
  RangeRequest range() { return {bytes(), bytes(), number(), number(), flag(), flag(), flag()}; }
  Compare compare() {
    Compare compare{bytes(), static_cast<CompareTarget>(random_.below(5)),
                    static_cast<CompareResult>(random_.below(4)), 0, ""};
    if (compare.target == CompareTarget::kValue) {
      compare.value = bytes();
    } else {
      compare.number = number();
    }
    return compare;
  }
  Operation operation() {
    if (random_.chance(1, 3)) return PutRequest{bytes(), bytes(), number()};
    if (flag()) return DeleteRangeRequest{bytes(), bytes()};
    return range();
  }
  RangeResponse range_response() {
    RangeResponse response{header(), {}, flag(), number()};
    for (uint64_t i = random_.below(3); i > 0; --i) response.kvs.push_back(key_value());
    return response;
  }
  OperationResponse operation_response() {
    if (random_.chance(1, 3)) return PutResponse{header()};
    if (flag()) return DeleteRangeResponse{header(), number()};
    return range_response();
  }
  WatchResponse watch_response() {
    WatchResponse response{header(), flag(), flag(), number(), text(), {}};
    for (uint64_t i = random_.below(3); i > 0; --i) {
      response.events.push_back({flag(), key_value()});
    }
    return response;
  }
  TxnRequest txn() {
    TxnRequest request;
    for (uint64_t i = random_.below(3); i > 0; --i) request.compare.push_back(compare());
    for (uint64_t i = random_.below(3); i > 0; --i) request.success.push_back(operation());
    for (uint64_t i = random_.below(3); i > 0; --i) request.failure.push_back(operation());
    return request;
  }
  TxnResponse txn_response() {
    TxnResponse response{header(), flag(), {}};
    for (uint64_t i = random_.below(4); i > 0; --i) {
      response.responses.push_back(operation_response());
    }
    return response;
  }
  LeaseTimeToLiveResponse time_to_live() {
    return {header(), number(), random_.between(-1, 100), number(), {bytes(), bytes()}};
  }

  std::vector<Request> one_of_each_request() {
    return {range(),
            PutRequest{bytes(), bytes(), number()},
            DeleteRangeRequest{bytes(), bytes()},
            txn(),
            CompactionRequest{number()},
            LeaseGrantRequest{number(), number()},
            LeaseKeepAliveRequest{number()},
            LeaseRevokeRequest{number()},
            LeaseTimeToLiveRequest{number(), flag()},
            WatchCreateRequest{bytes(), bytes(), number(), flag()},
            StatusRequest{},
            AuthenticateRequest{text(), text()}};
  }

 private:
  Random random_;
};

}  // namespace magpie::store
