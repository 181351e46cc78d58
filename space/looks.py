"""How the page looks and what it says: styles, a little script, the fixed texts."""

from intake import MAX_FILE_MB, MAX_PICTURE_PIXELS, MAX_SECONDS

HERO = """<header class="hero"><h1>What would people say?</h1>
<p>Add a picture or a short video. A model imagines its audience: how many would like it, what they
would write, what happens in it. <strong>All likes and comments are simulated.</strong></p></header>
"""
EMPTY = {
    "audience": "How many would like it, and five comments, appear here.",
    "scenes": "A timeline of scenes appears here.",
    "understand": "Emotion, topic, persuasion and memorability appear here.",
    "caption": "A description appears here.",
    "chat": "Ask anything about what you added.",
}
ABOUT = f"""### What this is, and is not
It shows what a model of the paper *LLaVA finds free lunch: teaching human behavior improves content
understanding abilities of LLMs* makes of your media. Likes and comments are **written by the
model**: they are nobody's opinion, can be wrong or unkind, and are no basis for decisions about
people or money. Nothing you add is kept beyond an hour, nothing of it is used for training. What
an answer does not state in a readable form is shown as "not given".

**Limits**, held on the server: {MAX_FILE_MB} MB; JPEG, PNG, WebP, GIF, BMP, HEIC, AVIF up to
{MAX_PICTURE_PIXELS // 10**6} megapixels; MP4, MOV, WebM, MKV, AVI up to {MAX_SECONDS} s and 1080p.
Cards: [model](https://huggingface.co/behavior-llava/behavior-llava),
[dataset](https://huggingface.co/datasets/behavior-llava/blift),
[paper](https://arxiv.org/abs/2405.00942).
"""
# pasted files go to the upload; names for what screen readers find nameless; live results;
# results of former words are greyed
JS = """() => {
  const name = (where, what) => document.querySelectorAll(where).forEach(
    (e) => e.getAttribute('aria-label') || e.setAttribute('aria-label', what));
  const tidy = () => {
    name('#media input[type=file]', 'Picture or video');
    name('#media button', 'Add a picture or a video');
    document.querySelectorAll('.live').forEach((e) => {
      e.setAttribute('aria-live', 'polite'); e.setAttribute('role', 'region');
      e.getAttribute('aria-label') || e.setAttribute('aria-label', 'Result');
      e.setAttribute('aria-busy', e.querySelector('.status') ? 'true' : 'false');
    });
  };
  tidy();
  new MutationObserver(tidy).observe(document.body, {childList: true, subtree: true});
  document.addEventListener('paste', (event) => {
    const file = event.clipboardData?.files?.[0];
    const input = document.querySelector('#media input[type=file]');
    if (!file || !input) return;
    const held = new DataTransfer();
    held.items.add(file);
    input.files = held.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
    event.preventDefault();
  });
}"""
STALE = "() => {document.querySelectorAll('.result').forEach((e) => e.classList.add('stale'))}"
STOPPED = """() => {document.querySelectorAll('.result .status').forEach((e) => {
  e.textContent = 'Stopped.'; e.classList.add('ended')})}"""
CSS = """
.gradio-container {max-width: 1200px !important; margin: 0 auto; --accent: #b8390e;
  --soft: #57534e; width: 100% !important; min-width: 0 !important; box-sizing: border-box}
.gradio-container .main, .gradio-container .contain {min-width: 0; width: 100%}
button[role="tab"].selected, button[role="tab"][aria-selected="true"],
#media .icon-button, #media button svg {color: var(--accent) !important}
#media [data-testid="upload-text"], #media .or {color: var(--body-text-color) !important}
.dark .gradio-container, .gradio-container.dark, .dark {--accent: #fb923c; --soft: #d6d3d1}
.hero h1 {font-size: 2rem; line-height: 1.1; margin: .2rem 0 .4rem}
.hero p {max-width: 60rem; margin: 0}
.banner {padding: .55rem .9rem; border-left: 4px solid var(--accent); border-radius: 0 8px 8px 0;
  background: color-mix(in srgb, var(--accent) 10%, transparent); margin: .3rem 0}
.model {font-size: .85rem; color: var(--soft); margin: .2rem 0}
.primary, button.primary {background: #b8390e !important; color: #fff !important}
button.primary:hover {background: #9a2f0b !important}
button:focus-visible, a:focus-visible, input:focus-visible, textarea:focus-visible,
.strip:focus-visible {outline: 3px solid var(--accent) !important; outline-offset: 2px}
.html-container:has(.result), .html-container:has(.media) {padding: 0 !important}
.result {border: 1px solid var(--border-color-primary); border-radius: 14px; padding: 1rem 1.2rem;
  background: var(--block-background-fill); min-height: 14rem; overflow-wrap: anywhere;
  color: var(--body-text-color)}
.result.empty {display: grid; place-items: center; text-align: center; border-style: dashed}
.result.stale {opacity: .45; filter: grayscale(1)}
.result.stale::before {content: "For the former words: run it again."; display: block;
  font-weight: 700}
.columns {display: grid; gap: 1.4rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr))}
.result h3 {margin: .2rem 0 .4rem; font-size: 1rem} .result h4 {margin: .9rem 0 .4rem}
.result em {font-size: .75rem; font-weight: 400; color: var(--soft)}
.result .stamp, .column.real h3 {color: var(--accent); font-weight: 600; margin: 0}
.result mark {background: color-mix(in srgb, var(--accent) 22%, transparent); color: inherit;
  border-radius: 3px; padding: 0 .1em}
.big {font-size: 2.8rem; font-weight: 800; line-height: 1; margin: 0} .big small {font-size: 1.3rem}
.hint {font-size: .8rem; margin: .3rem 0 0; color: var(--soft)}
.note {font-size: .85rem; border-left: 3px solid var(--border-color-primary); padding-left: .6rem}
.histogram {display: flex; align-items: flex-end; gap: 2px; height: 4.5rem; margin-top: .6rem}
.histogram b {flex: 1; background: var(--accent); border-radius: 2px 2px 0 0; min-width: 1px}
.axis {display: flex; justify-content: space-between}
.result ol {list-style: none; margin: 0; padding: 0; counter-reset: n; display: grid; gap: .5rem}
.talk li {counter-increment: n}
.talk li::before {content: counter(n) "."; font-weight: 700; margin-right: .4rem}
.talk span, .them {padding: .35rem .7rem; border-radius: 4px 12px 12px 12px; display: inline-block;
  background: var(--background-fill-secondary)}
.scene {display: flex; gap: .8rem; border-top: 1px solid var(--border-color-primary);
  padding-top: .5rem} .scene figure {flex: none; width: 9rem; margin: 0} .scene p {margin: .15rem 0}
.scene img {border-radius: 8px; width: 100%} .scene figcaption {font-size: .75rem}
.swatch i {display: inline-block; width: 1em; height: 1em; border-radius: 3px;
  margin: 0 .25em 0 .5em; vertical-align: -.15em; border: 1px solid var(--soft)}
.tag {display: inline-block; border: 1px solid var(--border-color-primary); border-radius: 99px;
  padding: 0 .6em; margin: .1em .2em .1em 0; font-size: .85em}
.bars {width: 100%; border-collapse: collapse; font-size: .9rem}
.bars th {text-align: left; font-weight: 400; width: 40%} .bars td:last-child {text-align: right;
  white-space: nowrap; width: 5rem} .bar b {display: block; height: .8em; min-width: 2px;
  background: var(--accent); border-radius: 0 3px 3px 0}
.result .bars th, .result .bars td {border: 0; padding: .12rem .3rem}
.missing {font-style: italic; margin: 0; color: var(--soft)} .said {white-space: pre-wrap}
.status {margin: .8rem 0 0; color: var(--soft)} .status i {display: inline-block; width: .7rem;
  height: .7rem; border-radius: 50%; margin-right: .5rem; background: var(--accent);
  animation: beat 1s infinite alternate}
@keyframes beat {from {opacity: .2; transform: scale(.7)}}
@media (prefers-reduced-motion: reduce) {.status i {animation: none}}
.media .shown {max-height: 15rem; border-radius: 10px; margin: 0 auto; display: block; width: auto}
.strip {display: flex; overflow-x: auto; gap: 4px; padding: 4px 0}
.strip img {height: 3.2rem; border-radius: 4px}
.heat img {max-width: 100%; border-radius: 10px}
.refused {padding: .8rem 1rem; border: 2px solid var(--accent); border-radius: 10px;
  font-weight: 600} .you {margin: .8rem 0 .2rem} .them b {color: var(--accent)}
#media {min-height: 7rem} #media label {position: static !important}
.examples {display: grid !important; gap: .4rem !important;
  grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr))}
.examples button {justify-content: flex-start !important; text-align: left; padding: .25rem;
  font-size: .78rem; line-height: 1.15; min-height: 3rem; white-space: normal}
.examples img {width: 2.4rem; height: 2.4rem; object-fit: cover; border-radius: 6px; flex: none}
#media .wrap {line-height: 1.3; padding-top: 0} .hero + * {margin: 0}
footer, footer a, footer button {color: var(--soft) !important}
label > span, .label-wrap span, .block-label, span[data-testid="block-info"] {
  color: var(--body-text-color) !important}
@media (max-width: 640px) {.gradio-container .main {padding: .6rem !important}
  .scene {flex-direction: column} .hero h1 {font-size: 1.5rem}}
"""
# colours of labels and links with a contrast of 4.5 and more, light and dark
THEME = {
    "block_label_background_fill": "*neutral_100",
    "block_label_background_fill_dark": "*neutral_700",
    "block_label_text_color": "*neutral_800",
    "block_label_text_color_dark": "*neutral_50",
    "block_title_background_fill": "*neutral_100",
    "block_title_background_fill_dark": "*neutral_700",
    "block_title_text_color": "*neutral_800",
    "block_title_text_color_dark": "*neutral_50",
    "link_text_color": "#3730a3",
    "link_text_color_dark": "#c7d2fe",
    "link_text_color_hover": "#312e81",
    "link_text_color_hover_dark": "#e0e7ff",
    "link_text_color_visited": "#3730a3",
    "link_text_color_visited_dark": "#c7d2fe",
    "link_text_color_active": "#3730a3",
    "link_text_color_active_dark": "#c7d2fe",
}
