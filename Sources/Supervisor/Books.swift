import Policy
import Store

/// The store, or why it cannot be read.
enum Books {
    case open(Store)
    /// With the reason, and what to do about it.
    case shut(why: Refusal)

    /// Opens the store, and makes one where there was none before.
    ///
    /// A store that is damaged is set aside, and that of the last good backup takes its place.
    ///
    /// - Throws: that another daemon holds it.
    init(_ options: Options, _ rescue: Rescue, _ backups: Backups) throws(StoreError) {
        do throws(StoreError) {
            self = .open(try Self.store(options, rescue))
        } catch {
            if case .held = error { throw error }
            self = .shut(why: Refusal("\(error)"))
            guard error.isDamage, backups.recover(rescue, after: Refusal("\(error)")) else { return }
            do throws(StoreError) {
                self = .open(try Self.store(options, rescue))
            } catch {
                if case .held = error { throw error }
                self = .shut(why: Refusal("\(error)"))
            }
        }
    }

    private static func store(_ options: Options, _ rescue: Rescue) throws(StoreError) -> Store {
        let path = "\(options.state)/gatehouse.db"
        // A volume that is not mounted and a file that was emptied look like a gateway that is new. This one is not, and a new
        // store would open its door.
        if rescue.isEnforced, !Store.exists(in: options.state) { throw .missing(path: path) }
        let store = try Store(directory: options.state)
        _ = try store.policy()
        if rescue.isEnforced, try store.current().id == 1 { throw .missing(path: path) }
        return store
    }
}
