/// The two interfaces that the admin socket serves, in the varlink interface definition language.
package enum Interface {
    static let admin = "org.gatehouse.Admin"
    static let service = "org.varlink.service"

    /// The methods of org.gatehouse.Admin. A method that is not in this table does not exist (as in OpenSSH's monitor.c).
    package static let calls: [any Call.Type] =
        GatewayCalls.all + ListenerCalls.all + UserCalls.all + RuleCalls.all + LimitCalls.all + BlocklistCalls.all
        + NameCalls.all + BanCalls.all
        + FirewallCalls.all + ZoneCalls.all + DeviceCalls.all + LearningCalls.all + ForwardCalls.all + EgressCalls.all
        + RevisionCalls.all + TrialCalls.all + ConfigurationCalls.all + BackupCalls.all
        + MachineCalls.all + CertificateCalls.all + SessionCalls.all
        + ExposureCalls.all + DoctorCalls.all + WhyCalls.all

    /// The text that introspection shows, printed from `calls`.
    static func adminText() throws -> String {
        var reader = FormReader()
        var methods: [String] = []
        for call in calls { methods.append(try method(call, &reader)) }
        let types = reader.declarations.map { comment($0.documentation) + "type \($0.name) " + body($0.body) }
        let errors = AdminError.all.map { comment($0.documentation) + "error \($0.name) (reason: string)" }
        return ([head] + types + methods + errors).joined(separator: "\n\n") + "\n"
    }

    private static var head: String {
        let open = calls.filter { $0.permission == .anyone }.map { $0.name }
        let text = """
            The administration of a Gatehouse gateway.

            Everybody may call \(open.dropLast().joined(separator: ", ")) and \(open.last ?? "nothing").
            All else needs an operator: root, the daemon's own user, and the members of the socket's group.

            Every change is one revision of the policy: it takes effect as a whole, in the proxies and in the kernel,
            or not at all. A method that makes one can be told how: with dryRun it only tells what it would do; trial is
            how many seconds the change holds unless Confirm keeps it. Without trial, a change is on trial for a minute if
            it would cut off a connection that now comes in; 0 makes it for good all the same.
            """
        return comment(text) + "interface \(admin)"
    }

    private static func method<C: Call>(_ call: C.Type, _ reader: inout FormReader) throws -> String {
        let parameters = try reader.fields(of: C.self) + (C.isChange ? reader.fields(of: Manner.self) : [])
        let reply = try reader.fields(of: C.Reply.self)
        return comment(call.documentation) + "method \(call.name)\(list(parameters)) -> \(list(reply))"
    }

    private static func body(_ body: FormReader.Declaration.Body) -> String {
        switch body {
        case .object(let fields): list(fields)
        case .words(let words): list(words)
        }
    }

    private static func list(_ fields: [Form.Field]) -> String { list(fields.map { "\($0.name): \($0.form)" }) }

    private static func list(_ items: [String]) -> String {
        let line = items.joined(separator: ", ")
        return line.count <= 72 ? "(\(line))" : "(\n  \(items.joined(separator: ",\n  "))\n)"
    }

    private static func comment(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined()
    }

    /// As published by varlink.org.
    static let serviceText = """
        # The Varlink Service Interface is provided by every varlink service. It
        # describes the service and the interfaces it implements.
        interface org.varlink.service

        # Get a list of all the interfaces a service provides and information
        # about the implementation.
        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        # Get the description of an interface that is implemented by this service.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # The requested interface was not found.
        error InterfaceNotFound (interface: string)

        # The requested method was not found
        error MethodNotFound (method: string)

        # The interface defines the requested method, but the service does not
        # implement it.
        error MethodNotImplemented (method: string)

        # One of the passed parameters is invalid.
        error InvalidParameter (parameter: string)

        # Client is denied access
        error PermissionDenied ()

        # Method is expected to be called with 'more' set to true, but wasn't
        error ExpectedMore ()

        """
}
