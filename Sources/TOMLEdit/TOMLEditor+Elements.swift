/// Tables inside the elements of `[[…]]`.
extension TOMLEditor {
    /// Adds a table at the front of the array of tables `key` in element `number` of the array at `path`.
    ///
    /// Throws `spelling` unless both arrays are written with `[[…]]`, the inner one may be absent.
    package mutating func insertFirst(
        _ entries: [TOMLEntry],
        into key: String,
        ofElement number: Int,
        at path: [String]
    ) throws(TOMLEditError) {
        let unable = TOMLEditError.spelling(path: path + [key], line: document.nearestLine(of: path))
        guard let array = document.index.find(path),
            case .elements(let elements) = document.index.nodes[array].kind,
            elements.indices.contains(number),
            case .header(let section) = document.index.nodes[elements[number]].kind,
            let headerSpan = document.sections[section].headerSpan
        else { throw unable }
        if let inner = document.index.nodes[elements[number]].children[key] {
            guard case .elements = document.index.nodes[inner].kind else { throw unable }
        }
        // Every table of the element stands below its own keys, so this is in front of the first.
        let offset = document.lines.end(of: document.lastOffset(ofSection: section))
        let lineBreak = document.lineBreak(near: offset - 1)
        let style = TOMLStyle(document)
        let indentation = document.indentation(before: headerSpan.lowerBound)
        var text = indentation + Array("[[".utf8)
        for part in document.sections[section].header {
            text += document.bytes[part.span] + [UInt8(ascii: ".")]
        }
        text += style.key(key) + Array("]]".utf8) + lineBreak
        for entry in entries { text += indentation + style.keyIndent + style.entry(entry) + lineBreak }
        try apply([blockSplice(text, at: offset, lineBreak: lineBreak)], path: path) { root in
            guard case .array(var nodes)? = root[path], nodes.indices.contains(number) else { return }
            var inner: [TOMLNode] = []
            if case .array(let existing)? = nodes[number][[key]] { inner = existing }
            nodes[number].set([key], to: .array([entries.node] + inner))
            root.set(path, to: .array(nodes))
        }
    }
}
