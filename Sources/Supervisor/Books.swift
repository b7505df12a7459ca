import Policy
import Store

/// The store, or why it cannot be read.
enum Books {
    case open(Store)
    /// With the reason, and what to do about it.
    case shut(why: Refusal)

    /// Opens the store, and makes one where there was none before.
    ///
    /// - Throws: that another daemon holds it.
    init(_ options: Options, _ rescue: Rescue) throws(StoreError) {
        do throws(StoreError) {
            let path = "\(options.state)/gatehouse.db"
            // A volume that is not mounted and a file that was emptied look like a gateway that is new. This one is not, and
            // a new store would open its door.
            if rescue.isEnforced, !Store.exists(in: options.state) { throw .missing(path: path) }
            let store = try Store(directory: options.state)
            _ = try store.policy()
            if rescue.isEnforced, try store.current().id == 1 { throw .missing(path: path) }
            self = .open(store)
        } catch {
            if case .held = error { throw error }
            self = .shut(why: Refusal("\(error)"))
        }
    }
}
