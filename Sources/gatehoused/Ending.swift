import Address
import Logging
import Machine

/// The end of what is under way and may not go on, told in the journal.
struct Ending {
    /// What it is that is ended.
    private let what: String
    private let log: Logger
    private var interfaces: [IPAddress: String] = [:]

    init(of what: String, _ log: Logger) { (self.what, self.log) = (what, log) }

    /// By which packets leave for there; the kernel is asked once for each address. Empty: there is no way.
    mutating func interface(towards address: IPAddress) -> String {
        if let known = interfaces[address] { return known }
        let interface = Route.interface(towards: address) ?? ""
        interfaces[address] = interface
        return interface
    }

    func carryOut(_ name: String, _ end: () throws(MachineFailure) -> Void) {
        do throws(MachineFailure) {
            try end()
            log.warning("ended \(what): \(name)")
        } catch {
            // It may have ended by itself meanwhile.
            log.warning("cannot end \(what), \(name): \(error)")
        }
    }
}
