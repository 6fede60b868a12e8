import TOMLEdit

/// What a running node does with a file that says something else than the one before.
struct SettingsChange: Equatable {
    /// Keys whose new values it takes over, sorted.
    var applied: [String] = []
    /// Keys whose new values wait for its next start, sorted.
    var needRestart: [String] = []
}

extension SettingsFile {
    /// From this file to another.
    func change(to new: SettingsFile) -> SettingsChange {
        var change = SettingsChange()
        for key in Set(given.keys).union(new.given.keys).sorted() where given[key] != new.given[key] {
            // A rate of a registry that was not there before waits with the registry.
            let owner = key.split(separator: " ").last.map { "registry.host of \($0)" }
            let hasOwner = !key.hasPrefix("registry.") || owner.map { given[$0] != nil && new.given[$0] != nil } ?? false
            // Whether there is TLS at all is decided at the start.
            let isSwitch = key.hasPrefix("peers.tls.") && !(settings.trust.isTLS && new.settings.trust.isTLS)
            let isTaken = hasOwner && !isSwitch && Self.isReloadable(key)
            if isTaken { change.applied.append(key) } else { change.needRestart.append(key) }
        }
        return change
    }

    /// These settings with the values of another file for the keys that a running node takes over; the rest is as
    /// it was at the start.
    func taking(_ new: SettingsFile) -> SettingsFile {
        var settings = settings
        var given = given
        settings.limits.upload = new.settings.limits.upload
        settings.limits.download = new.settings.limits.download
        settings.limits.origin = new.settings.limits.origin
        settings.staticPeers = new.settings.staticPeers
        settings.logLevel = new.settings.logLevel
        settings.logFormat = new.settings.logFormat
        if settings.trust.isTLS, new.settings.trust.isTLS {
            settings.trust.certificate = new.settings.trust.certificate
            settings.trust.key = new.settings.trust.key
            settings.trust.authorities = new.settings.trust.authorities
        }
        for index in settings.registries.indices {
            let host = settings.registries[index].host
            settings.registries[index].rate = new.settings.registries.first { $0.host == host }?.rate
        }
        for key in change(to: new).applied { given[key] = new.given[key] }
        return SettingsFile(settings: settings, given: given)
    }

    private static func isReloadable(_ key: String) -> Bool {
        let path = key.prefix { $0 != " " }
        return (SettingsKeys.all + SettingsKeys.registry).contains { $0.path == path && $0.isReloadable }
    }
}
