// A server's cache: several threads answer requests, whose keys follow Zipf's law, from one table that they
// share, and keep the last replies of many sessions each. What several mutators stress is here: stores to the
// same old memory from all of them, objects that one thread makes and others keep, locks held at safepoints,
// and much short lived text. Replaced entries and replies are old objects written here and there; its types
// are declared scattered, for the hybrid barrier.
#ifndef GCHEAP_WORKLOAD_SERVER_CACHE_HPP
#define GCHEAP_WORKLOAD_SERVER_CACHE_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "arrays.hpp"
#include "digest.hpp"
#include "out_of_memory.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct cached_page {
  object header;
  scattered_field<text> body;
  std::uint64_t key;

  static const type kind;
};
inline const type cached_page::kind =
    describe_scattered<cached_page, offsetof(cached_page, body)>("cached_page");

// Each page has one place in the table, from which it drives out another. Which pages are there depends on
// who came first; what a page holds does not.
class page_table {
 public:
  using pages = scattered_array<cached_page>;

  explicit page_table(std::size_t places) : mask_(places - 1) {}  // a power of two

  // Its body is good until the next allocation.
  template <class Mutator>
  text* find_or_make(Mutator& mutator, root<pages>& table, std::uint64_t key) {
    const std::size_t place = (key * 0x9E3779B97F4A7C15U >> 20) & mask_;
    const held_lock hold(mutator, locks_[place % locks_.size()]);
    cached_page* const found = (*table)[place];
    if (found != nullptr && found->key == key) return found->body;
    root<text> body(mutator.roots(), made_body(mutator, key));
    auto* const fresh = make<cached_page>(mutator);
    fresh->key = key;
    mutator.store(fresh->body, body.get());
    mutator.store((*table)[place], fresh);
    return body;
  }

 private:
  // Who waits for a lock is safe, as its holder may be stopped.
  class held_lock {
   public:
    template <class Mutator>
    held_lock(Mutator& mutator, std::mutex& lock) : lock_(lock) {
      if (!lock_.try_lock()) mutator.blocking([this] { lock_.lock(); });
    }
    ~held_lock() { lock_.unlock(); }
    held_lock(const held_lock&) = delete;
    held_lock& operator=(const held_lock&) = delete;

   private:
    std::mutex& lock_;
  };

  template <class Mutator>
  static text* made_body(Mutator& mutator, std::uint64_t key) {
    auto* const body = make<text>(mutator, 32 + key % 128);
    body->hash = key;
    for (std::size_t i = 0; i < body->header.length; ++i) {
      bytes(&body->header)[i] = static_cast<char>('a' + (key + i * i) % 26);
    }
    return body;
  }

  std::size_t mask_;
  std::array<std::mutex, 64> locks_;
};

struct server_cache {
  static constexpr const char* name = "server_cache";
  static constexpr std::size_t threads = 4;

  // For a shared_heap. `size` 1: each of four threads answers 800,000 requests for 260,000 pages, 130,000 of
  // which the table holds, in 20,000 sessions.
  template <class SharedHeap>
  static std::uint64_t run(SharedHeap& heap, double size) {
    using mutator = typename SharedHeap::mutator;
    const auto requests = static_cast<std::size_t>(800000 * size) + 1000;
    const std::size_t places = std::bit_ceil(requests / 8);
    const zipf_ranks ranks(2 * places);
    page_table pages(places);
    std::array<std::uint64_t, threads> digests{};
    std::array<std::exception_ptr, threads> failures{};
    mutator main(heap);
    root<page_table::pages> table(main.roots(), make<page_table::pages>(main, places));
    main.blocking([&] {
      std::vector<std::thread> workers;
      for (std::size_t i = 0; i < threads; ++i) {
        workers.emplace_back([&, i] {
          try {
            mutator mine(heap);
            root<page_table::pages> shared(mine.roots(), table.get());
            digests[i] = serve(mine, pages, shared, ranks, requests, i);
          } catch (...) {
            failures[i] = std::current_exception();
          }
        });
      }
      for (std::thread& worker : workers) worker.join();
    });
    digest sum;
    for (std::size_t i = 0; i < threads; ++i) {
      if (failures[i]) std::rethrow_exception(failures[i]);
      sum.add(digests[i]);
    }
    return sum.value();
  }

 private:
  template <class Mutator>
  static std::uint64_t serve(Mutator& mutator, page_table& pages, root<page_table::pages>& table,
                             const zipf_ranks& ranks, std::size_t requests, std::size_t thread) {
    constexpr std::size_t replies_kept = 4;  // of each session
    const std::size_t sessions = requests / 40;
    random_numbers random(100 + thread);
    root<scattered_array<text>> kept(mutator.roots(),
                                     make<scattered_array<text>>(mutator, sessions * replies_kept));
    for (std::size_t request = 0; request < requests; ++request) {
      const std::uint64_t key = ranks.draw(random);
      const std::size_t session = random.below(sessions);
      root<text> body(mutator.roots(), pages.find_or_make(mutator, table, key));
      auto* const reply = make<text>(mutator, body->header.length);
      reply->hash = key * sessions + session;
      for (std::size_t i = 0; i < body->header.length; ++i) {
        bytes(&reply->header)[i] =
            static_cast<char>(bytes(&body->header)[i] ^ static_cast<char>(session % 32));
      }
      mutator.store((*kept)[session * replies_kept + request % replies_kept], reply);
    }
    digest sum;
    for (std::size_t i = 0; i < kept->size(); ++i) {
      const text* const reply = (*kept)[i];
      if (reply == nullptr) continue;
      sum.add(reply->hash);
      sum.add(reply->view());
    }
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
