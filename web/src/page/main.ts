/** Plain pages: they work without script; the open language menu closes on Escape and outside taps. */
import { closingMenus } from '../lib/menus';

closingMenus();
