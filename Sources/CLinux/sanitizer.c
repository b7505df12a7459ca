// What the thread sanitizer has to be told of Synchronization.Mutex (Swift 6.3). Nothing of it is in a build without.
//
// A free Mutex is taken and given back in code that is compiled into its user, and so is seen. Who has to wait does that in the
// library, by a futex(2), which is not: two holders of the lock, one after the other, would be reported as a race. These two
// stand before the library's own.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef __attribute__((swiftcall)) void lock_function(uint32_t thread, __attribute__((swift_context)) void *mutex);
typedef __attribute__((swiftcall)) void unlock_function(__attribute__((swift_context)) void *mutex);

void __tsan_acquire(void *address);
void __tsan_release(void *address);

lock_function linux_sanitized_lock __asm__(LOCK);
unlock_function linux_sanitized_unlock __asm__(UNLOCK);

__attribute__((swiftcall)) void linux_sanitized_lock(
    uint32_t thread, __attribute__((swift_context)) void *mutex) {
    ((lock_function *)dlsym(RTLD_NEXT, LOCK))(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void linux_sanitized_unlock(__attribute__((swift_context)) void *mutex) {
    __tsan_release(mutex);
    ((unlock_function *)dlsym(RTLD_NEXT, UNLOCK))(mutex);
}

#endif
#endif
