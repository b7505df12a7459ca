import Admin
import Glibc
import Policy

// What a change would cut off, as a person reads it.

extension Consequences {
    /// Nothing if nobody is cut off.
    func present() {
        if !cuts.isEmpty {
            print()
            print(Output.standard.styled("What can be reached now and could not be any more:", .bold))
            var table = Table(.text("PORT"), .text("SERVICE"), .text("ON"))
            for cut in cuts {
                table.add(
                    "\(cut.transport.rawValue.uppercased()) \(cut.port)", .init(cut.unit ?? cut.serviceName ?? "-"),
                    .init(cut.interfaces.joined(separator: ", ")))
            }
            table.show(prefix: "  ")
            print("  `gatehousectl firewall open NAME --tcp PORT` keeps one open for the home.")
        }
        if !duties.isEmpty {
            print()
            print(Output.standard.styled("What this machine does for others and will not do any more:", .bold))
            for duty in duties { print("  \(printable(duty))") }
        }
        if !endings.isEmpty {
            print()
            print(Output.standard.styled("What programs of this machine have under way, and what ends:", .bold))
            for ending in endings.prefix(20) { print("  \(printable(ending))") }
            if endings.count > 20 { print("  and \(endings.count - 20) more") }
            print("  `gatehousectl egress allow NAME --user ACCOUNT --to ADDRESS` lets it go on, if it comes first.")
        }
        if !endangered.isEmpty {
            print()
            print(Output.standard.styled("Who is connected now and could not connect again:", .bold))
            for connection in endangered { print("  \(connection)") }
        }
    }
}

extension Cut {
    /// By /etc/services.
    fileprivate var serviceName: String? {
        getservbyport(Int32(port.bigEndian), transport.rawValue).map { String(cString: $0.pointee.s_name) }
    }
}

extension Trial {
    /// What to do about it.
    func present() {
        if !endangered.isEmpty {
            print("It would cut off who is connected now:")
            for connection in endangered.prefix(5) { print("  \(connection)") }
            if endangered.count > 5 { print("  and \(endangered.count - 5) more") }
            print("Come in anew from there, and run `gatehousectl confirm` in the new session.")
        }
        if !endings.isEmpty {
            print("What programs of this machine have under way and ends with it, one of which may be your way in:")
            for ending in endings.prefix(5) { print("  \(printable(ending))") }
            if endings.count > 5 { print("  and \(endings.count - 5) more") }
        }
        let confirm = endings.isEmpty ? "confirm" : "confirm --blind"
        print("`gatehousectl \(confirm)` keeps it, `gatehousectl revert` takes it back; so does the time.")
    }
}
