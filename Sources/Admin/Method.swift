/// The methods of org.gatehouse.Admin, and who may call each (as in OpenSSH's monitor.c: what is not in the table does
/// not exist).
package enum Method: String, CaseIterable, Sendable {
    case getVersion = "GetVersion"
    case getStatus = "GetStatus"
    case getClientSetup = "GetClientSetup"
    case setup = "Setup"
    case listListeners = "ListListeners"
    case addListener = "AddListener"
    case changeListener = "ChangeListener"
    case removeListener = "RemoveListener"
    case listUsers = "ListUsers"
    case addUser = "AddUser"
    case setPassword = "SetPassword"
    case removeUser = "RemoveUser"
    case listRules = "ListRules"
    case addRule = "AddRule"
    case removeRule = "RemoveRule"
    case setDefault = "SetDefault"
    case listLimits = "ListLimits"
    case setLimit = "SetLimit"
    case removeLimit = "RemoveLimit"
    case getFirewall = "GetFirewall"
    case setFirewallMode = "SetFirewallMode"
    case open = "Open"
    case close = "Close"
    case listRevisions = "ListRevisions"
    case getRevision = "GetRevision"
    case rollback = "Rollback"
    case getCertificate = "GetCertificate"
    case getAuthority = "GetAuthority"
    case useCertificate = "UseCertificate"
    case renewCertificate = "RenewCertificate"
    case listSessions = "ListSessions"
    case endSessions = "EndSessions"

    package enum Permission: Sendable {
        case anyone
        /// uid 0, the daemon's own user, members of the socket's group.
        case `operator`
    }

    package var permission: Permission {
        switch self {
        case .getVersion, .getStatus, .getClientSetup:
            .anyone
        case .setup, .listListeners, .addListener, .changeListener, .removeListener, .listUsers, .addUser, .setPassword,
            .removeUser, .listRules, .addRule, .removeRule, .setDefault, .listLimits, .setLimit, .removeLimit,
            .getFirewall, .setFirewallMode, .open, .close, .listRevisions, .getRevision, .rollback,
            .getCertificate, .getAuthority, .useCertificate, .renewCertificate,
            .listSessions, .endSessions:
            .operator
        }
    }
}
