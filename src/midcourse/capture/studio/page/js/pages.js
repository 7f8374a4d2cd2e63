/** The pages around the writing, and the way between them. */
import { el, fill } from './dom.js';
import { homePage } from './home_page.js';
import { inboxPage } from './inbox_page.js';
import { progressPage } from './progress_page.js';
import { reviewPage } from './review_page.js';
import { trainPage } from './train_page.js';

const PAGES = {
  '': { title: 'Write', show: homePage, about: ['queue'] },
  review: { title: 'Review', show: reviewPage, about: [], can: 'review' },
  inbox: { title: 'Inbox', show: inboxPage, about: ['inbox'], can: 'review' },
  progress: { title: 'Progress', show: progressPage, about: [] },
  train: { title: 'Train', show: trainPage, about: ['adapters', 'model', 'training'], can: 'train' },
};

export class Pages {
  constructor({ node, studio, go, toast }) {
    Object.assign(this, { node, studio, name: null, context: { go, studio, toast } });
  }

  async show(name) {
    const page = PAGES[name] ?? PAGES[''];
    const was = this.name;
    this.name = PAGES[name] ? name : '';
    this.left = false;
    if (this.name !== was) this.node.onkeydown = null; // drawn again, it keeps its keys while it is fetched
    this.node.dataset.page = this.name;
    document.title = page.title === 'Write' ? 'Midcourse' : `${page.title} · Midcourse`;
    try {
      await page.show(this.node, this.context);
    } catch (error) {
      this.node.replaceChildren(el('h1', {}, page.title), el('p', { class: 'lead' }, error.message));
    }
    this.node.hidden = this.left; // the desk was opened meanwhile
    if (this.name !== was) this.node.scrollTop = 0;
    if (!this.left && this.node.onkeydown && !this.node.contains(document.activeElement)) this.node.focus({ preventScroll: true }); // what is hidden takes no focus
    this.links(this.studio.state);
  }

  /** Something changed on the server: a page that shows it is drawn again, unless the person types in it. */
  again(about) {
    if (this.node.hidden || this.name === null || this.node.contains(document.activeElement) && /^(TEXTAREA|INPUT)$/.test(document.activeElement.tagName)) return;
    if (about === 'all' || PAGES[this.name].about.includes(about)) this.show(this.name);
  }

  links(state) {
    const may = (page) => !page.can || state.can.includes(page.can);
    const shown = Object.entries(PAGES).filter(([, page]) => may(page));
    fill(document.getElementById('pages'), [this.node.hidden ? null : this.name, shown.map(([n]) => n)], () => (shown.length < 2 ? [] : shown.map(([name, page]) => el('a', {
      href: `#/${name}`, 'aria-current': !this.node.hidden && this.name === name ? 'page' : null,
    }, page.title))));
  }
}
