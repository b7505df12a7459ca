import Address
import Machine
import Policy

extension Surroundings {
    /// This machine as it is now.
    static func current() throws(MachineFailure) -> Surroundings {
        Surroundings(
            interfaces: try Machine.Interface.all().map { interface in
                Interface(
                    name: interface.name, addresses: interface.addresses,
                    hardware: interface.hardware, isLoopback: interface.isLoopback, isUp: interface.isUp,
                    hasCarrier: interface.hasCarrier, hasDefaultRoute: interface.hasDefaultRoute,
                    leadsOutByIPv6: interface.leadsOutByIPv6, mtu: interface.mtu,
                    driver: interface.kind)
            })
    }
}
