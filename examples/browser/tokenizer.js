// The tokenizer of flam-mini, read from its tokenizer.json: BERT's normalisation, a few replacements that take endings
// off, words, and the longest word pieces first.

const CONTINUED = "##";

export class WordPieces {
  constructor(file) {
    this.vocabulary = new Map(Object.entries(file.model.vocab));
    this.unknown = this.vocabulary.get(file.model.unk_token);
    this.longestWord = file.model.max_input_chars_per_word;
    this.replacements = file.normalizer.normalizers
      .filter(({ type }) => type === "Replace")
      .map(({ pattern, content }) => [new RegExp(pattern.Regex, "gu"), content]);
  }

  // text -> ids
  encode(text) {
    return this.normalised(text)
      .split(/\s+/u)
      .flatMap((part) => part.match(/[\p{P}$+<=>^`|~]|[^\p{P}$+<=>^`|~]+/gu) ?? [])
      .flatMap((word) => this.pieces(word));
  }

  normalised(text) {
    let result = text
      .replace(/[\p{Cc}\p{Cf}]/gu, (character) => (/\s/u.test(character) ? " " : ""))
      .replace(/(\p{Script=Han})/gu, " $1 ")
      .normalize("NFD")
      .replace(/\p{Mn}/gu, "")
      .toLowerCase();
    for (const [pattern, content] of this.replacements) result = result.replace(pattern, content);
    return result;
  }

  pieces(word) {
    const characters = [...word];
    if (characters.length > this.longestWord) return [this.unknown];
    const ids = [];
    for (let start = 0; start < characters.length; ) {
      let end = characters.length;
      let id;
      for (; end > start; end--) {
        id = this.vocabulary.get((start ? CONTINUED : "") + characters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  }
}
