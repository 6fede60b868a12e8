import CProtobufC
import Glibc

/// An allocator for one unpacking that refuses to hand out more bytes than its budget.
///
/// The library makes up to 36 bytes of heap from each byte of a message (empty messages are the worst), so
/// what a remote may send is not a bound on what it may cost. Freed bytes are not given back to the budget:
/// the bound holds for everything allocated on the way, scratch space included.
struct ProtobufBudget: ~Copyable {
    private struct State {
        var remaining: Int
        var exceeded: Bool
    }

    private let state: UnsafeMutablePointer<State>

    init(bytes: Int) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(remaining: bytes, exceeded: false))
    }

    deinit {
        state.deallocate()
    }

    /// Whether an allocation was refused.
    var exceeded: Bool { state.pointee.exceeded }

    /// Points to this budget, which has to outlive it.
    var allocator: ProtobufCAllocator {
        ProtobufCAllocator(
            alloc: { data, size in
                guard let state = data?.assumingMemoryBound(to: State.self) else { return nil }
                guard size <= state.pointee.remaining else {
                    state.pointee.exceeded = true
                    return nil
                }
                state.pointee.remaining -= size
                return malloc(max(size, 1))
            },
            free: { _, pointer in free(pointer) },
            allocator_data: UnsafeMutableRawPointer(state)
        )
    }
}
