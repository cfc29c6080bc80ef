/** Reads an XML property list, strictly: what it does not know is an error. */

type Plist = string | number | boolean | Plist[] | { [key: string]: Plist };

export function parsePlist(xml: string): Plist {
  const body =
    /^<\?xml[^>]*\?>\s*<!DOCTYPE plist [^>]*>\s*(?:<!--.*?-->\s*)*<plist version="1.0">(.*)<\/plist>\s*$/s.exec(
      xml,
    );
  if (!body?.[1]) throw new Error("no property list");
  const tokens = body[1].match(/<[^>]+>|[^<]+/g) ?? [];
  const items = tokens.filter((token) => token.trim() !== "");
  let at = 0;
  const next = () => {
    const token = items[at++];
    if (token === undefined) throw new Error("the property list ends too early");
    return token;
  };
  const expectToken = (wanted: string) => {
    const token = next();
    if (token !== wanted) throw new Error(`${wanted} expected, not ${token}`);
  };
  const textUntil = (end: string) => {
    const text = next();
    expectToken(end);
    return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  };
  const value = (): Plist => {
    const token = next();
    if (token === "<true/>" || token === "<false/>") return token === "<true/>";
    if (token === "<string>") return textUntil("</string>");
    if (token === "<integer>") return Number(textUntil("</integer>"));
    if (token === "<array>") {
      const list: Plist[] = [];
      while (items[at] !== "</array>") list.push(value());
      at += 1;
      return list;
    }
    if (token !== "<dict>") throw new Error(`unknown: ${token}`);
    const dict: { [key: string]: Plist } = {};
    while (items[at] !== "</dict>") {
      expectToken("<key>");
      const key = textUntil("</key>");
      if (key in dict) throw new Error(`twice: ${key}`);
      dict[key] = value();
    }
    at += 1;
    return dict;
  };
  const result = value();
  if (at !== items.length) throw new Error(`more than one value: ${items[at]}`);
  return result;
}
