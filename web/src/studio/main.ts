/** Texts of the city: forms that work without script; only the open language menu closes by itself. */
import './studio.css';
import { closingMenus } from '../lib/menus';

closingMenus();
