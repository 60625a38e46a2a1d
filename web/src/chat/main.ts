import { closingMenus } from '../lib/menus';
closingMenus();
