// Zeroed memory, 64-byte aligned; large buffers come in huge pages where the system grants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lsr {

struct BufferDeleter {
    size_t size_bytes = 0;
    bool mapped = false;
    void operator()(void* data) const noexcept;
};

template <class T>
using Buffer = std::unique_ptr<T[], BufferDeleter>;

// size_bytes zero bytes. Above 4 MB they are mapped and MADV_HUGEPAGE is set before the first touch, because
// lists are read in long runs and small pages would cost a TLB miss every 64 lines. Throws std::bad_alloc.
std::unique_ptr<void, BufferDeleter> allocate_zeroed(size_t size_bytes);

// n zeroed values of T; T must be a plain number or a struct of them.
template <class T>
Buffer<T> make_buffer(size_t n) {
    auto raw = allocate_zeroed(n * sizeof(T));
    const BufferDeleter deleter = raw.get_deleter();
    return Buffer<T>(static_cast<T*>(raw.release()), deleter);
}

}  // namespace lsr
